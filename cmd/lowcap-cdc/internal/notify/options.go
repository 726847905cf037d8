package notify

import (
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"lowcap-cdc/cmd/lowcap-cdc/internal/notify/receiver"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
)

// Options say what is delivered, where, and how. Several routes stand in the configuration file; these flags are the
// single one.
type Options struct {
	To         string   `help:"Where to: the base of the API for telegram, pagerduty and alertmanager, else the whole URL." placeholder:"URL" file:"-"`
	As         string   `help:"Who is told: telegram, discord, slack, ntfy, email, pagerduty, opsgenie, alertmanager, or webhook (which gets the CloudEvent)." enum:"telegram,discord,slack,ntfy,email,pagerduty,opsgenie,alertmanager,webhook" default:"webhook" file:"-"`
	Severity   string   `help:"Only events at least this severe: page, warn or info." enum:"page,warn,info" default:"warn" file:"-"`
	Type       []string `help:"Only these types, e.g. emergency_exit.* or stream.gap." placeholder:"GLOB" file:"-"`
	Chat       string   `help:"Telegram: the number of the chat, or @channel." placeholder:"CHAT" file:"-"`
	TokenFile  string   `help:"File that holds the token or key of telegram, ntfy, pagerduty or opsgenie." placeholder:"FILE" file:"-"`
	Secret     string   `help:"Sign each webhook with this key (HMAC-SHA-256). Better by environment or --secret-file." placeholder:"SECRET" file:"-"`
	SecretFile string   `help:"File that holds the key that signs each webhook." placeholder:"FILE" file:"-"`
	PageURL    string   `help:"The address of the sidecar's page, for the link in each message." name:"page-url" placeholder:"URL"`

	Group string `help:"What the names of the routes' consumer groups begin with; their offsets say what has been delivered." default:"lowcap-cdc-notify"`
	State string `help:"With --sink file: the directory that remembers what has been delivered." placeholder:"DIR"`
	From  string `help:"Where a route begins that has no place yet: an age or a time. Without it, at now." placeholder:"24h|TIME" file:"-"`
	HTTP  string `help:"Serve /metrics, /livez and /readyz at this address; without a host only to this machine." name:"http" env:"LOWCAP_CDC_NOTIFY_HTTP" file:"notify-http" placeholder:"ADDR"`
	Test  bool   `help:"Send one marked message by each route, print what each answered, and exit." file:"-"`
	List  bool   `help:"Print where each route stands and what waits for it, and exit." file:"-"`
}

// Check reports what is wrong with the options and the configuration file, or nothing when none is named, before anything
// is connected.
func (c *Options) Check(config string) error {
	plan, err := c.plan(config)
	if err != nil {
		return err
	}
	_, err = plan.routes(zerolog.Nop(), newCounts())
	return err
}

// plan returns the routes of the configuration file, or the one of the flags.
func (c *Options) plan(config string) (*Plan, error) {
	plan, err := ReadPlan(config)
	if err != nil {
		return nil, settings.Usage(err)
	}
	if c.PageURL != "" {
		plan.PageURL = c.PageURL
	}
	switch {
	case c.To != "" && len(plan.Routes) > 0:
		return nil, settings.Usage(errors.New("--to and the routes of --config exclude each other; leave out one of them"))
	case c.To == "" && len(plan.Routes) == 0:
		return nil, settings.Usage(errors.New("nobody is to be told; set --to, or routes in the file of --config"))
	case c.To != "":
		plan.Routes = []RoutePlan{{Name: "only", As: c.As, To: c.To, Severity: c.Severity, Types: c.Type, Chat: c.Chat, TokenFile: c.TokenFile,
			SecretFile: c.SecretFile, secret: c.Secret}}
	}
	if _, err := settings.ParsePoint(c.From, time.Now()); err != nil {
		return nil, err
	}
	if err := plan.check(); err != nil {
		return nil, settings.Usage(err)
	}
	return plan, nil
}

// routes makes the routes of a plan. It does not connect.
func (p *Plan) routes(log zerolog.Logger, counts *counts) ([]*route, error) {
	byName := make(map[string]*route)
	var list []*route
	for i := range p.Routes {
		r := &p.Routes[i]
		config, err := r.config()
		if err != nil {
			return nil, settings.Usage(fmt.Errorf("route %s: %w", r.Name, err))
		}
		to, err := receiver.New(config)
		if err != nil {
			return nil, settings.Usage(fmt.Errorf("route %s: %w", r.Name, err))
		}
		made := &route{name: r.Name, kind: r.As, receiver: to, severity: r.least(), types: r.Types, tokens: r.Tokens,
			digest: r.Digest, page: p.PageURL, log: log.With().Str("route", r.Name).Logger(), health: &health{}, counts: counts}
		byName[r.Name] = made
		list = append(list, made)
	}
	for i := range p.Routes {
		list[i].fallback = byName[p.Routes[i].Fallback]
	}
	return list, nil
}
