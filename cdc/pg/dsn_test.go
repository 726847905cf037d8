package pg

import (
	"strings"
	"testing"
)

// TestDSNThatPsqlTakes: every keyword of libpq is taken, and none of them reaches the server as a parameter that it refuses.
func TestDSNThatPsqlTakes(t *testing.T) {
	const all = "keepalives=1 keepalives_idle=30 keepalives_interval=10 keepalives_count=3 tcp_user_timeout=1000 gssencmode=disable " +
		"sslcompression=0 load_balance_hosts=disable fallback_application_name=x application_name=y client_encoding=UTF8 " +
		"hostaddr=127.0.0.1 connect_timeout=3 sslmode=prefer target_session_attrs=any options='-c geqo=off'"
	asURL := "postgres://anna:secret@db.example:5433/trading?" + strings.ReplaceAll(strings.ReplaceAll(all, "options='-c geqo=off'", "options=-c%20geqo=off"), " ", "&")
	for _, dsn := range []string{"host=db.example port=5433 user = anna password='secret' dbname=trading " + all, asURL} {
		config, err := parseDSN(dsn)
		if err != nil {
			t.Fatalf("%s: %v", dsn, err)
		}
		if len(config.RuntimeParams) != 1 || config.RuntimeParams["options"] != "-c geqo=off" {
			t.Errorf("the server would be sent %v", config.RuntimeParams)
		}
		if config.Host != "db.example" || config.Port != 5433 || config.User != "anna" || config.Password != "secret" || config.Database != "trading" {
			t.Errorf("%s:%d %s %s", config.Host, config.Port, config.User, config.Database)
		}
		if addresses, err := config.LookupFunc(t.Context(), "db.example"); err != nil || len(addresses) != 1 || addresses[0] != "127.0.0.1" {
			t.Errorf("hostaddr: %v %v", addresses, err)
		}
	}
	if config, err := parseDSN("hostaddr=127.0.0.1 requiressl=1"); err != nil || config.Host != "127.0.0.1" || config.TLSConfig == nil {
		t.Errorf("%+v %v", config, err)
	}
}

// TestDSNErrorsShowNoValue: whatever is broken, and wherever the password stands, no part of it is printed.
func TestDSNErrorsShowNoValue(t *testing.T) {
	for dsn, want := range map[string]string{
		"user= password=SECRET":                           "user: it has no value",
		"user=anna password=SE CRET":                      "a value with a space needs quotes",
		"user=anna password='SECRET":                      "password: the quote is not closed",
		"password='SECRET''SECRET":                        "key=value pairs",
		"passwrod=SECRET":                                 "a keyword that psql does not know",
		"SECRET=SECRET":                                   "a keyword that psql does not know",
		"SECRET":                                          "key=value pairs",
		"SECRET SECRET=x":                                 "key=value pairs",
		"postgres://anna:SECRET@h:port/x":                 "port",
		"postgres://anna:SECRET@h:70000/x":                "port",
		"postgres://anna:SEC/RET@h/x":                     "",
		"postgres://anna:SECRET@h/x?sslmode=SECRET":       "sslmode",
		"postgres://anna@h/x?password=SECRET&sslmode=off": "sslmode",
		"postgres://anna@h/x?SECRET":                      "KEY=VALUE pairs",
		"postgres://anna@h/x?%zz=SECRET":                  "KEY=VALUE pairs",
		"port=SECRET":                                     "port",
		"connect_timeout=SECRET":                          "connect_timeout",
		"gssencmode=require password=SECRET":              "gssencmode=require is not supported",
		"sslcrl=SECRET":                                   "sslcrl is not supported",
		"host=h sslmode=verify-ca sslrootcert=/nowhere/ca.pem password=SECRET": "/nowhere/ca.pem",
	} {
		err := CheckDSN(dsn)
		if err == nil {
			if want != "" {
				t.Errorf("%s is taken", dsn)
			}
			continue
		}
		if text := err.Error(); strings.Contains(text, "SEC") || strings.Contains(text, "RET") || !strings.Contains(text, want) {
			t.Errorf("%s: %s; want %q", dsn, text, want)
		}
	}
}
