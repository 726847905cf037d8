package notify

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"lowcap-cdc/cmd/lowcap-cdc/internal/notify/receiver"
	"lowcap-cdc/schemas"
)

// Plan is what notify reads of the configuration file beside the flags' keys; other verbs ignore it.
type Plan struct {
	PageURL   string        `yaml:"page-url"`
	Heartbeat HeartbeatPlan `yaml:"heartbeat"`
	Routes    []RoutePlan   `yaml:"routes"`
}

// HeartbeatPlan says who is told that everything lives, and how often.
type HeartbeatPlan struct {
	URL     string        `yaml:"url"`
	URLFile string        `yaml:"url-file"`
	Every   time.Duration `yaml:"every"` // 0 for a minute
}

// RoutePlan is one entry of routes. Secrets stand in files or in the environment, never here.
type RoutePlan struct {
	Name     string        `yaml:"name"`
	As       string        `yaml:"as"`
	To       string        `yaml:"to"`
	Severity string        `yaml:"severity"` // page, warn, info or none; warn when it is empty
	Types    []string      `yaml:"types"`
	Tokens   []string      `yaml:"tokens"`
	Digest   time.Duration `yaml:"digest"`
	Fallback string        `yaml:"fallback"`

	Chat         string   `yaml:"chat"`
	From         string   `yaml:"from"`
	Recipients   []string `yaml:"recipients"`
	User         string   `yaml:"user"`
	ToFile       string   `yaml:"to-file"`
	ToEnv        string   `yaml:"to-env"`
	TokenFile    string   `yaml:"token-file"`
	TokenEnv     string   `yaml:"token-env"`
	SecretFile   string   `yaml:"secret-file"`
	SecretEnv    string   `yaml:"secret-env"`
	PasswordFile string   `yaml:"password-file"`
	PasswordEnv  string   `yaml:"password-env"`

	secret string // of the flags
}

// Keys returns the keys of the configuration file that are no flags.
func Keys() []string { return []string{"heartbeat", "routes"} }

// ReadPlan reads the configuration file. An empty name is an empty plan.
func ReadPlan(name string) (*Plan, error) {
	plan := &Plan{}
	if name == "" {
		return plan, nil
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read configuration file: %w", err)
	}
	file, err := parser.ParseBytes(bytes.TrimPrefix(content, []byte("\uFEFF")), 0) // some editors begin a file so
	if err != nil {
		return nil, fmt.Errorf("read configuration file: %w", err)
	}
	for _, doc := range file.Docs {
		mapping, ok := doc.Body.(*ast.MappingNode)
		if !ok {
			continue
		}
		for _, entry := range mapping.Values {
			if err := plan.take(entry); err != nil {
				return nil, fmt.Errorf("configuration file %s: %w", name, err)
			}
		}
	}
	return plan, nil
}

func (p *Plan) take(entry *ast.MappingValueNode) error {
	var to any
	switch entry.Key.GetToken().Value {
	case "page-url":
		to = &p.PageURL
	case "heartbeat":
		to = &p.Heartbeat
	case "routes":
		to = &p.Routes
	default:
		return nil
	}
	err := yaml.NodeToValue(entry.Value, to, yaml.DisallowUnknownField())
	if err == nil {
		return nil
	}
	text := yaml.FormatError(err, false, false)
	if inlineSecret.MatchString(text) {
		text += "\nsecrets do not stand in this file: name token-file, secret-file, password-file or to-file, " +
			"or a variable of the environment with token-env and so on"
	}
	return errors.New(text)
}

var inlineSecret = regexp.MustCompile(`unknown field "(token|secret|password|key|routing-key|api-key)"`)

var routeName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$`)

// check reports the first thing that is wrong with the plan.
func (p *Plan) check() error {
	names := make(map[string]bool)
	for i := range p.Routes {
		r := &p.Routes[i]
		if !routeName.MatchString(r.Name) {
			return fmt.Errorf("routes: name %q is not of letters, digits, dots and dashes", r.Name)
		}
		if names[r.Name] {
			return fmt.Errorf("routes: two have the name %s", r.Name)
		}
		names[r.Name] = true
	}
	for i := range p.Routes {
		if r := &p.Routes[i]; r.hasRest() && names[r.Name+restOf] {
			return fmt.Errorf("routes: %s and %s%s would share a place; give one of them another name", r.Name, r.Name, restOf)
		}
		if err := p.Routes[i].check(names); err != nil {
			return fmt.Errorf("route %s: %w", p.Routes[i].Name, err)
		}
	}
	if p.PageURL != "" && !receiver.IsURL(p.PageURL) {
		return errors.New("page-url is not a URL like https://host/path")
	}
	return p.Heartbeat.check()
}

func (h *HeartbeatPlan) check() error {
	if err := readSecret(&h.URL, "heartbeat: url", h.URLFile, ""); err != nil {
		return err
	}
	if h.Every != 0 && h.Every < time.Second {
		return fmt.Errorf("heartbeat: every %s is shorter than 1s", h.Every)
	}
	if h.URL != "" && !receiver.IsURL(h.URL) {
		return errors.New("heartbeat: url is not a URL like https://host/path")
	}
	if h.URL == "" && h.Every != 0 {
		return errors.New("heartbeat: nobody is asked; it needs url or url-file")
	}
	return nil
}

func (r *RoutePlan) check(names map[string]bool) error {
	if !slices.Contains([]string{"", "page", "warn", "info", noSeverity}, r.Severity) {
		return fmt.Errorf("severity %q is none of page, warn, info, none", r.Severity)
	}
	if r.Fallback != "" && (!names[r.Fallback] || r.Fallback == r.Name) {
		return fmt.Errorf("fallback %q is no other route", r.Fallback)
	}
	if r.Digest > 0 && r.Digest < time.Second { // a number without a unit would be of nanoseconds
		return fmt.Errorf("digest %s is shorter than 1s; write for example 5m", r.Digest)
	}
	if r.Digest < 0 || (r.Digest > 0 && !receiver.IsForPeople(r.As)) {
		return fmt.Errorf("digest is for receivers that people read, and longer than 0; %s gets each event", r.As)
	}
	if slices.Contains(r.Tokens, "") {
		return errors.New("tokens: one is empty, and would be any token")
	}
	for _, glob := range r.Types {
		if err := r.checkGlob(glob); err != nil {
			return err
		}
	}
	return nil
}

// checkGlob wants a pattern that matches a type of the contract which can be as severe as the route asks for: any other would be
// silent for ever.
func (r *RoutePlan) checkGlob(glob string) error {
	if _, err := path.Match(glob, ""); err != nil {
		return fmt.Errorf("types: %q: %w", glob, err)
	}
	worst := schemas.Severity("")
	for _, k := range schemas.Kinds() {
		if !matchesType([]string{glob}, k.Type) {
			continue
		}
		for _, s := range k.Severities {
			if rank(s) > rank(worst) {
				worst = s
			}
		}
	}
	switch {
	case worst == "":
		return fmt.Errorf("no event type matches %q; the types are in README.md, e.g. emergency_exit.* or *.reverted", glob)
	case rank(worst) < rank(r.least()):
		return fmt.Errorf("types: no event of %q is ever as severe as %s, so nothing of it would come; set severity to %s", glob, r.least(), worst)
	}
	return nil
}

// hasRest reports whether what is no page has a place of its own.
func (r *RoutePlan) hasRest() bool {
	return receiver.IsForPeople(r.As) && r.least() != schemas.Page && r.least() != noSeverity
}

// least is how severe an event must be to come by the route.
func (r *RoutePlan) least() schemas.Severity {
	return cmp.Or(schemas.Severity(r.Severity), schemas.Warn)
}

// config returns who the receiver is, secrets included.
func (r *RoutePlan) config() (receiver.Config, error) {
	c := receiver.Config{As: r.As, To: r.To, Secret: r.secret, Chat: r.Chat, From: r.From, MailTo: r.Recipients, MailUser: r.User}
	for _, s := range []struct {
		to              *string
		name, file, env string
	}{
		{&c.To, "to", r.ToFile, r.ToEnv}, {&c.Secret, "token", r.TokenFile, r.TokenEnv},
		{&c.Secret, "secret", r.SecretFile, r.SecretEnv}, {&c.Secret, "password", r.PasswordFile, r.PasswordEnv},
	} {
		if err := readSecret(s.to, s.name, s.file, s.env); err != nil {
			return c, err
		}
	}
	return c, nil
}

// readSecret reads a file or a variable of the environment, when one is named. What is named and empty is an error.
func readSecret(to *string, name, file, env string) error {
	switch {
	case file != "":
		content, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("%s-file: %w", name, err)
		}
		*to = strings.TrimSpace(string(content))
	case env != "":
		*to = strings.TrimSpace(os.Getenv(env))
	default:
		return nil
	}
	switch {
	case *to == "":
		return fmt.Errorf("%s-file or %s-env: %s%s is empty", name, name, file, env)
	case name != "secret" && strings.ContainsFunc(*to, unicode.IsControl):
		return fmt.Errorf("%s-file or %s-env: %s%s holds more than one line", name, name, file, env)
	}
	return nil
}
