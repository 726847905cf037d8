package pg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// What is done with a keyword of libpq (PostgreSQL documentation, "Parameter Key Words") that the driver does not know and
// would send to the server as a parameter, which the server refuses.
const (
	ignored  = iota // it changes nothing that we rely on: the connection is watched by us, or has a default as good
	refused         // it asks for a protection that the driver cannot give
	replaced        // parseDSN does what it asks for
)

var keywordsOfLibpq = map[string]int{
	"keepalives": ignored, "keepalives_idle": ignored, "keepalives_interval": ignored, "keepalives_count": ignored, "tcp_user_timeout": ignored,
	"sslcompression": ignored, "sslkeylogfile": ignored, "load_balance_hosts": ignored, "fallback_application_name": ignored,
	"application_name": ignored, "client_encoding": ignored, "replication": ignored, "gsslib": ignored, "gssdelegation": ignored,
	"sslcrl": refused, "sslcrldir": refused, "requirepeer": refused, "ssl_min_protocol_version": refused, "ssl_max_protocol_version": refused,
	"scram_client_key": refused, "scram_server_key": refused, "oauth_issuer": refused, "oauth_client_id": refused, "oauth_client_secret": refused,
	"oauth_scope": refused, "hostaddr": replaced, "gssencmode": replaced, "requiressl": replaced,
}

// keywordsOfDriver are the keywords that the driver knows, and options, which a server takes.
var keywordsOfDriver = []string{
	"host", "port", "dbname", "database", "user", "password", "passfile", "connect_timeout", "sslmode", "sslkey", "sslcert", "sslcertmode",
	"sslrootcert", "sslnegotiation", "sslpassword", "sslsni", "krbspn", "krbsrvname", "target_session_attrs", "service", "servicefile",
	"min_protocol_version", "max_protocol_version", "channel_binding", "require_auth", "options",
}

// pair is a keyword of a connection string and its value.
type pair struct{ key, value string }

// connectTimeout is the connect_timeout where a connection string has none: without one an address at which nobody answers
// takes minutes.
const connectTimeout = 10 * time.Second

// CheckDSN reports what is wrong with a connection string. It connects to nothing. No error holds a value of the string:
// any of them may be a password that stands in the wrong place.
func CheckDSN(dsn string) error {
	_, err := parseDSN(dsn)
	return err
}

// Database returns the database that a connection string names; empty where it cannot be read.
func Database(dsn string) string {
	config, err := parseDSN(dsn)
	if err != nil {
		return ""
	}
	return config.Database
}

// parseDSN reads what psql reads: a URL or key=value pairs, with every keyword of libpq.
func parseDSN(dsn string) (*pgx.ConnConfig, error) {
	rest, pairs, err := splitDSN(dsn)
	if err != nil {
		return nil, err
	}
	kept, addresses, err := forDriver(pairs)
	if err != nil {
		return nil, err
	}
	hosts := hostsOf(rest, kept)
	if len(addresses) > 0 && len(hosts) == 0 {
		kept = append(kept, pair{"host", strings.Join(addresses, ",")})
	}
	config, err := pgx.ParseConfig(joinDSN(rest, kept))
	if err != nil {
		return nil, withoutValues(err)
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	if len(addresses) > 0 {
		config.LookupFunc = lookUp(hosts, addresses)
	}
	return config, nil
}

// splitDSN returns the pairs of a connection string. In a URL they stand behind the question mark; rest is what comes before.
func splitDSN(dsn string) (rest string, pairs []pair, err error) {
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		pairs, err = splitPairs(dsn)
		return "", pairs, err
	}
	rest, query, _ := strings.Cut(dsn, "?")
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		key, value, found := strings.Cut(part, "=")
		key, err1 := url.PathUnescape(key) // a plus sign is a plus sign, as in libpq
		value, err2 := url.PathUnescape(value)
		if !found || err1 != nil || err2 != nil {
			return "", nil, errors.New("what follows the question mark must be KEY=VALUE pairs with & between them")
		}
		pairs = append(pairs, pair{key, value})
	}
	return rest, pairs, nil
}

const blanks = " \t\n\r\v\f"

// splitPairs reads key=value pairs as libpq does.
func splitPairs(text string) (pairs []pair, err error) {
	for text = strings.TrimLeft(text, blanks); text != ""; text = strings.TrimLeft(text, blanks) {
		key, rest, found := strings.Cut(text, "=")
		key = strings.TrimRight(key, blanks)
		if !found || strings.ContainsAny(key, blanks) {
			return nil, errors.New(`must be a URL like postgres://USER@HOST:5432/DATABASE, or key=value pairs; a value with a space needs quotes: 'a b'`)
		}
		var value string
		if value, text, err = readValue(strings.TrimLeft(rest, blanks)); err != nil {
			return nil, fmt.Errorf("%s: %w", shownKey(key), err)
		}
		pairs = append(pairs, pair{key, value})
	}
	return pairs, nil
}

// readValue reads a value, in quotes or up to the next space, and returns what follows it.
func readValue(text string) (value, rest string, err error) {
	var b strings.Builder
	quoted := strings.HasPrefix(text, "'")
	i := 0
	if quoted {
		i = 1
	}
	for ; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case quoted && c == '\'':
			return b.String(), text[i+1:], nil
		case !quoted && strings.IndexByte(blanks, c) >= 0:
			return plain(b.String(), text[i:])
		default:
			b.WriteByte(c)
		}
	}
	if quoted {
		return "", "", errors.New("the quote is not closed")
	}
	return plain(b.String(), "")
}

// plain refuses a value without quotes that is the next pair: "user= password=x" names a role "password=x", which then
// stands in every message.
func plain(value, rest string) (string, string, error) {
	if key, _, found := strings.Cut(value, "="); found && isKeyword(key) {
		return "", "", errors.New("it has no value; leave it out, or give it one")
	}
	return value, rest, nil
}

func isKeyword(key string) bool {
	_, libpq := keywordsOfLibpq[key]
	return libpq || slices.Contains(keywordsOfDriver, key)
}

// shownKey prints a keyword only when it is one: another may be a part of a password.
func shownKey(key string) string {
	if isKeyword(key) {
		return key
	}
	return "an unknown keyword"
}

// forDriver takes out the keywords that the driver would send to the server, and does what they ask for.
func forDriver(pairs []pair) (kept []pair, addresses []string, err error) {
	for _, p := range pairs {
		what, libpq := keywordsOfLibpq[p.key]
		switch {
		case !libpq && !slices.Contains(keywordsOfDriver, p.key):
			return nil, nil, errors.New("it has a keyword that psql does not know either; the keywords are host, port, dbname, user, passfile, sslmode …")
		case !libpq:
			kept = append(kept, p)
		case p.value == "":
			// as if it was not there
		case what == refused:
			return nil, nil, fmt.Errorf("%s is not supported, and leaving it out would be less than it asks for; take it out", p.key)
		case p.key == "gssencmode" && p.value == "require":
			return nil, nil, errors.New("gssencmode=require is not supported; use sslmode=verify-full, or take it out")
		case p.key == "requiressl" && p.value == "1":
			kept = append(kept, pair{"sslmode", "require"})
		case p.key == "hostaddr":
			addresses = strings.Split(p.value, ",")
		}
	}
	return kept, addresses, nil
}

func joinDSN(rest string, pairs []pair) string {
	var parts []string
	if rest == "" {
		for _, p := range pairs {
			parts = append(parts, p.key+"='"+strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(p.value)+"'")
		}
		return strings.Join(parts, " ")
	}
	for _, p := range pairs {
		parts = append(parts, url.QueryEscape(p.key)+"="+strings.ReplaceAll(url.QueryEscape(p.value), "+", "%20"))
	}
	return rest + "?" + strings.Join(parts, "&")
}

// hostsOf returns the hosts that a connection string names, which a URL does before its question mark.
func hostsOf(rest string, pairs []pair) (hosts []string) {
	for _, p := range pairs {
		if p.key == "host" && p.value != "" {
			hosts = strings.Split(p.value, ",")
		}
	}
	if u, err := url.Parse(rest); err == nil && len(hosts) == 0 && u.Host != "" {
		for host := range strings.SplitSeq(u.Host, ",") {
			name, _, _ := strings.Cut(host, ":")
			hosts = append(hosts, name)
		}
	}
	return hosts
}

// lookUp gives each host the address that hostaddr names for it. The certificate is still checked against the host's name.
func lookUp(hosts, addresses []string) func(context.Context, string) ([]string, error) {
	of := make(map[string]string)
	for i, host := range hosts {
		if i < len(addresses) {
			of[host] = addresses[i]
		}
	}
	return func(_ context.Context, host string) ([]string, error) {
		if address := of[host]; address != "" {
			return []string{address}, nil
		}
		return []string{host}, nil
	}
}

// withoutValues says what the driver did not like, and nothing of the connection string but a keyword.
func withoutValues(err error) error {
	var file *fs.PathError
	if errors.As(err, &file) {
		return fmt.Errorf("a file that it names: %w", err)
	}
	text := err.Error()
	if i := strings.LastIndex(text, "): "); i >= 0 {
		text = text[i:] // behind the connection string
	} else if i := strings.LastIndex(text, "`: "); i >= 0 {
		text = text[i:]
	}
	for _, key := range []string{"port", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslsni", "sslnegotiation", "target_session_attrs",
		"connect_timeout", "channel_binding", "require_auth", "protocol_version", "servicefile", "service", "passfile"} {
		if strings.Contains(text, key) {
			return fmt.Errorf("its %s is not valid", key)
		}
	}
	return errors.New("not a connection string: write postgres://USER@HOST:5432/DATABASE or host=HOST user=USER dbname=DATABASE")
}
