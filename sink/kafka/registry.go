package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/tidwall/gjson"
	"github.com/twmb/franz-go/pkg/sr"

	"lowcap-cdc/cdc/check"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// RegistryConfig says which schema registry is asked and how to get in.
type RegistryConfig struct {
	URL      string // of Confluent's API; may hold a user, and a password
	Password string // of that user, where the URL does not hold it
	CAFile   string
	CertFile string
	KeyFile  string
}

// Registry is a schema registry that has Confluent's API. It remembers what it was told: ids never change. It is safe
// for concurrent use.
type Registry struct {
	client *sr.Client
	at     string // the URL without user and password
	plain  bool   // no client certificate is shown

	password bool // one is sent
	mu       sync.Mutex
	ids      map[string]int             // by subject, registered by this process
	codecs   map[int]*schemas.AvroCodec // by id, of what was read
}

// NewRegistry returns a registry; it does not connect. A wrong configuration is an error.
func NewRegistry(config RegistryConfig) (*Registry, error) {
	at, err := url.Parse(config.URL)
	if err != nil || at.Hostname() == "" || !isPort(at.Port()) || strings.TrimSpace(config.URL) != config.URL ||
		(at.Scheme != "http" && at.Scheme != "https") {
		return nil, errors.New("the schema registry's address is not a URL like https://host:8081")
	}
	if at.Scheme == "http" && config.CAFile+config.CertFile != "" {
		return nil, errors.New("certificates for the schema registry need an https:// URL")
	}
	secure, err := tlsFiles(config.CAFile, config.CertFile, config.KeyFile)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = secure
	options := []sr.ClientOpt{sr.UserAgent(clientID), sr.HTTPClient(&http.Client{Transport: transport, Timeout: dialTimeout})}
	hasUser := at.User != nil
	if user := at.User; user != nil {
		password, inURL := user.Password()
		if !inURL {
			password = config.Password
		}
		options = append(options, sr.BasicAuth(user.Username(), password))
	}
	at.User = nil
	client, err := sr.NewClient(append(options, sr.URLs(strings.TrimRight(at.String(), "/")))...)
	if err != nil {
		return nil, err
	}
	return &Registry{client: client, at: at.String(), plain: config.CertFile == "", password: hasUser,
		ids: make(map[string]int), codecs: make(map[int]*schemas.AvroCodec)}, nil
}

// isPort reports whether a URL's port, empty where it names none, can be one.
func isPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || (err == nil && n > 0)
}

// registration is a schema and where it belongs: <topic>-<record name>, which Confluent's clients call
// TopicRecordNameStrategy. The record name is a JSON Schema's title, and an Avro record's full name.
type registration struct {
	of      schemas.Type
	subject string
	schema  sr.Schema
}

func registrations(prefix string, format Format) ([]registration, error) {
	var all []registration
	for _, kind := range schemas.Kinds() {
		schema, name, err := schemaOf(kind.Type, format)
		if err != nil {
			return nil, err
		}
		all = append(all, registration{kind.Type, prefix + kind.Topic + "-" + name, schema})
	}
	return all, nil
}

func schemaOf(t schemas.Type, format Format) (schema sr.Schema, name string, err error) {
	if format == Avro {
		text, err := schemas.AvroSchema(t)
		record := gjson.GetManyBytes(text, "namespace", "name")
		return sr.Schema{Schema: string(text), Type: sr.TypeAvro}, record[0].Str + "." + record[1].Str, err
	}
	text, err := schemas.Schema(t)
	return sr.Schema{Schema: withoutExamples(text), Type: sr.TypeJSON}, gjson.GetBytes(text, "title").Str, err
}

// withoutExamples drops the recorded events from a schema: a newer recording would be a new version of every subject.
func withoutExamples(schema []byte) string {
	var b strings.Builder
	gjson.ParseBytes(schema).ForEach(func(key, value gjson.Result) bool {
		if key.Str != "examples" {
			fmt.Fprintf(&b, ",\n  %s: %s", key.Raw, value.Raw)
		}
		return true
	})
	return "{" + strings.TrimPrefix(b.String(), ",") + "\n}\n"
}

// register makes sure that the registry has every type's schema, and returns their ids. What this process has registered
// before is not asked for again, so that a pipeline starts again while the registry is away.
func (r *Registry) register(ctx context.Context, prefix string, format Format) (map[schemas.Type]int, error) {
	all, err := registrations(prefix, format)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := make(map[schemas.Type]int)
	for i := range all {
		id, known := r.ids[all[i].subject]
		if !known {
			if id, err = r.client.RegisterSchema(ctx, all[i].subject, all[i].schema, -1, -1); err != nil {
				return nil, r.explain(fmt.Sprintf("register schema %q", all[i].subject), err)
			}
		}
		r.ids[all[i].subject], ids[all[i].of] = id, id
	}
	return ids, nil
}

// codec returns what reads a record with a schema's id.
func (r *Registry) codec(ctx context.Context, id int) (*schemas.AvroCodec, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if codec := r.codecs[id]; codec != nil {
		return codec, nil
	}
	schema, err := r.client.SchemaByID(ctx, id)
	if err != nil {
		return nil, r.explain(fmt.Sprintf("find schema %d", id), err)
	}
	codec, err := schemas.NewAvroCodec([]byte(schema.Schema))
	if err != nil {
		return nil, fmt.Errorf("find schema %d in the registry at %s: %w", id, r.at, err)
	}
	r.codecs[id] = codec
	return codec, nil
}

// check asks the registry which kinds of schema it takes.
func (r *Registry) check(ctx context.Context, format Format) check.Finding {
	f := check.Finding{Name: "schema registry", Severity: check.Fail, Repair: "lowcap-cdc check, when it is repaired"}
	types, err := r.client.SupportedTypes(ctx)
	if err != nil {
		f.Detail = r.explain("ask for its types", err).Error()
		return f
	}
	want := sr.TypeJSON
	if format == Avro {
		want = sr.TypeAvro
	}
	if slices.Contains(types, want) {
		f.Severity, f.Repair = check.OK, ""
	}
	f.Detail = fmt.Sprintf("%s takes %v, needed is %v", r.at, types, want)
	if f.Severity == check.OK && r.password && strings.HasPrefix(r.at, "http:") && !isLocal(hostOf(r.at)) {
		f.Severity, f.Detail = check.Warn, "the password crosses the network in plain text to "+r.at
		f.Repair = "write https:// into --schema-registry, and set --schema-registry-ca to the CA that has signed its certificate"
	}
	return f
}

func hostOf(address string) string {
	at, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return at.Hostname()
}

// explain says in one line what the registry, or the lack of one, answers, and what to do where that will not change.
func (r *Registry) explain(what string, err error) error {
	var answer *sr.ResponseError
	if errors.As(err, &answer) {
		text := strings.Join(strings.Fields(answer.Error()), " ")
		said := fmt.Errorf("%s: the schema registry at %s answers %d: %.300s", what, r.at, answer.StatusCode, text)
		if repair := answerRepair(answer.StatusCode); repair != "" {
			return &sink.ClusterError{Err: said, Repair: repair}
		}
		return said
	}
	var request *url.Error
	if errors.As(err, &request) {
		err = request.Err
	}
	silent := fmt.Errorf("%s: no answer from the schema registry at %s: %w", what, r.at, err)
	if handshakeRepair(err) != "" {
		return &sink.ClusterError{Err: silent,
			Repair: "set --schema-registry-ca to the CA that has signed its certificate, and --schema-registry-cert and " +
				"--schema-registry-key where it asks for one"}
	}
	var network *net.OpError
	if r.plain && strings.HasPrefix(r.at, "https:") && errors.As(err, &network) && network.Op != "dial" {
		// With TLS 1.3 a server says only after the handshake that it wants a certificate, and may hang up before that is read.
		return fmt.Errorf("%w; if it asks for a client certificate, set --schema-registry-cert and --schema-registry-key", silent)
	}
	return silent
}

func answerRepair(status int) string {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "write a user who may read and write these subjects into --schema-registry, and the password into --schema-registry-password-file"
	case http.StatusConflict:
		return "later versions only add fields: set the subject's compatibility to FORWARD (PUT /config/ and the subject), " +
			"or give it another --topic-prefix"
	case http.StatusNotFound:
		return "set --schema-registry to the registry, and the path of Confluent's API in it, that these records were written with"
	case http.StatusUnprocessableEntity:
		return "the registry must take schemas of this kind: JSON Schema 2020-12 or Avro"
	}
	return ""
}
