package lab

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const registryPOM = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>lowcap</groupId><artifactId>registry</artifactId><version>1</version><dependencies>
<dependency><groupId>io.apicurio</groupId><artifactId>apicurio-registry-app</artifactId><version>` + registryVersion + `</version>
  <type>tar.gz</type><classifier>all</classifier>
<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions></dependency>
</dependencies></project>`

// registryVersion is the last of a line that runs on Java 17.
const registryVersion = "2.6.13.Final"

// Registry is a private schema registry: Apicurio Registry, which keeps everything in memory and has Confluent's API.
type Registry struct {
	port    int
	log     string
	process *exec.Cmd
}

// StartRegistry starts a registry and waits until it answers.
func StartRegistry(ctx context.Context) (*Registry, error) {
	dir, err := fromMaven(ctx, "apicurio-"+registryVersion, registryPOM, unpacked)
	if err != nil {
		return nil, err
	}
	r := &Registry{}
	if r.port, err = FreePort(); err != nil {
		return nil, err
	}
	log, err := os.CreateTemp("", "lowcap-registry")
	if err != nil {
		return nil, err
	}
	defer log.Close() //nolint:errcheck // the registry has its own descriptor
	r.log = log.Name()
	r.process = exec.CommandContext(context.WithoutCancel(ctx), "java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		fmt.Sprintf("-Dquarkus.http.port=%d", r.port), "-Dquarkus.http.host=127.0.0.1",
		"-jar", filepath.Join(dir, "apicurio-registry-app-"+registryVersion+"-runner.jar"))
	r.process.Stdout, r.process.Stderr = log, log
	r.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := r.process.Start(); err != nil {
		return nil, fmt.Errorf("start the schema registry: %w", err)
	}
	return r, r.waitReady(ctx)
}

func (r *Registry) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL()+"/subjects", nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err == nil {
			answer.Body.Close() //nolint:errcheck // the status is what counts
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			tail, _ := os.ReadFile(r.log) //nolint:errcheck // only for the message
			return fmt.Errorf("the schema registry did not start: %w: %s", ctx.Err(), tail[max(0, len(tail)-2000):])
		case <-tick.C:
		}
	}
}

// URL returns the address of Confluent's API.
func (r *Registry) URL() string { return fmt.Sprintf("http://127.0.0.1:%d/apis/ccompat/v7", r.port) }

// NativeURL returns the address of Apicurio's own API.
func (r *Registry) NativeURL() string {
	return fmt.Sprintf("http://127.0.0.1:%d/apis/registry/v2", r.port)
}

// Close kills the registry; what it held is gone.
func (r *Registry) Close() error {
	defer os.Remove(r.log) //nolint:errcheck // a leftover costs only space
	if err := r.process.Process.Kill(); err != nil {
		return err
	}
	r.process.Wait() //nolint:errcheck // it was killed
	return nil
}
