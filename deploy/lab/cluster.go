package lab

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// Cluster is one or more brokers, each also a controller, whose clients may be made to come through a proxy.
type Cluster struct {
	Brokers []*Kafka
	proxied []string
}

// StartCluster starts n brokers of 256 MB heap. Each has a second listener: proxy is told its address and returns the one
// that clients of that listener are told to connect to.
func StartCluster(ctx context.Context, n int, proxy func(listener string) (advertised string, err error)) (*Cluster, error) {
	c, id := &Cluster{}, make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return nil, err
	}
	voters := make([]string, n)
	for i := range n {
		k := &Kafka{jvm: startsFast("256m"), cluster: "A" + base64.RawURLEncoding.EncodeToString(id)[1:]} // no argument begins with a dash
		if err := k.place(ctx); err != nil {
			return nil, err
		}
		c.Brokers = append(c.Brokers, k)
		voters[i] = fmt.Sprintf("%d@127.0.0.1:%d", i+1, k.controller)
	}
	for i, k := range c.Brokers {
		listener, advertised, err := behind(proxy)
		if err != nil {
			return nil, err
		}
		c.proxied = append(c.proxied, advertised)
		k.overrides = k.clusterMember(i+1, n, voters, listener, advertised)
		if err := k.format(ctx); err != nil {
			return nil, err
		}
	}
	return c, c.start(ctx)
}

// behind returns a free address to listen at, and the one that a proxy before it advertises.
func behind(proxy func(listener string) (advertised string, err error)) (listener, advertised string, err error) {
	port, err := FreePort()
	if err != nil {
		return "", "", err
	}
	listener = fmt.Sprintf("127.0.0.1:%d", port)
	advertised, err = proxy(listener)
	return listener, advertised, err
}

// clusterMember overrides what is different from a broker that is alone. A dead broker is noticed after two seconds
// instead of nine.
func (k *Kafka) clusterMember(id, n int, voters []string, listener, advertised string) []string {
	return append(k.secondListener(listener, advertised),
		fmt.Sprintf("node.id=%d", id), "controller.quorum.bootstrap.servers=", "controller.quorum.voters="+strings.Join(voters, ","),
		fmt.Sprintf("offsets.topic.replication.factor=%d", min(n, 3)), fmt.Sprintf("transaction.state.log.replication.factor=%d", min(n, 3)),
		fmt.Sprintf("transaction.state.log.min.isr=%d", min(n, 2)), "broker.session.timeout.ms=2000", "broker.heartbeat.interval.ms=500",
	)
}

// secondListener overrides the listeners with one more, whose clients come through a proxy.
func (k *Kafka) secondListener(listener, advertised string) []string {
	own := fmt.Sprintf("PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d,PROXIED://", k.port, k.controller)
	return []string{"listeners=" + own + listener, "advertised.listeners=" + own + advertised,
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT"}
}

// StartProxiedKafka starts one broker of a version whose clients may be made to come through a proxy, as in StartCluster. The
// features are levels that its storage is formatted with, as name=level; those that are not given are as the version has them.
func StartProxiedKafka(ctx context.Context, version string, proxy func(listener string) (advertised string, err error),
	features ...string,
) (*Kafka, error) {
	k := &Kafka{version: version}
	if err := k.place(ctx); err != nil {
		return nil, err
	}
	listener, advertised, err := behind(proxy)
	if err != nil {
		return nil, err
	}
	k.overrides = append(k.secondListener(listener, advertised), KeepsAll)
	args := []string{"--standalone"}
	for _, level := range features {
		args = append(args, "--feature", level)
	}
	if err := k.format(ctx, args...); err != nil {
		return nil, err
	}
	return k, k.Start(ctx)
}

func (c *Cluster) start(ctx context.Context) error {
	started := make(chan error, len(c.Brokers))
	for _, k := range c.Brokers {
		go func() { started <- k.Start(ctx) }()
	}
	var errs []error
	for range c.Brokers {
		errs = append(errs, <-started)
	}
	return errors.Join(errs...)
}

// Addrs returns the brokers' addresses, past the proxy.
func (c *Cluster) Addrs() []string {
	addrs := make([]string, len(c.Brokers))
	for i, k := range c.Brokers {
		addrs[i] = k.Addr()
	}
	return addrs
}

// Proxied returns the addresses through the proxy.
func (c *Cluster) Proxied() []string { return c.proxied }

// Program returns a run of a Java program of one source file, with Kafka's own client on its class path.
func (k *Kafka) Program(ctx context.Context, source string, args ...string) *exec.Cmd {
	return k.java(ctx, source, args...)
}

// Close kills the brokers and removes their data.
func (c *Cluster) Close() error {
	var errs []error
	for _, k := range c.Brokers {
		errs = append(errs, k.Close())
	}
	return errors.Join(errs...)
}
