package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>lowcap</groupId><artifactId>kafka</artifactId><version>1</version><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>%s</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
</dependencies></project>`

// The goals of Maven's dependency plugin: the dependencies as they are, with their own; or what is packed in one.
const (
	jars     = "copy-dependencies"
	unpacked = "unpack-dependencies"
)

// kafkaJars returns the directory with Kafka's jars.
func kafkaJars(ctx context.Context) (string, error) {
	if dir := os.Getenv("LOWCAP_CDC_KAFKA_JARS"); dir != "" {
		return dir, nil
	}
	return kafkaJarsOf(ctx, cmp.Or(os.Getenv("LOWCAP_CDC_KAFKA_VERSION"), KafkaVersion))
}

// kafkaJarsOf returns the directory with the jars of one version of Kafka.
func kafkaJarsOf(ctx context.Context, version string) (string, error) {
	return fromMaven(ctx, "kafka-"+version, fmt.Sprintf(pom, version), jars)
}

// fromMaven returns a directory of the user's cache, which a goal of Maven's dependency plugin fills the first time with
// what a pom.xml depends on.
func fromMaven(ctx context.Context, name, pom, goal string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "lowcap-cdc", name)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	return dir, once(dir, func() error { return download(ctx, dir, pom, goal) })
}

// once makes a directory when it is not there. Several test binaries may ask at once.
func once(dir string, fill func() error) error {
	unlock, err := lock(dir + ".lock")
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	return fill()
}

func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, err
	}
	return func() { f.Close() }, nil //nolint:errcheck // closing releases the lock
}

func download(ctx context.Context, dir, pom, goal string) error {
	for _, tool := range []string{"java", "mvn"} {
		if _, err := exec.LookPath(tool); err != nil {
			return errors.New("a real server in Java needs Java 17 and Maven; run: apt-get install default-jdk-headless maven")
		}
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), "download")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work) //nolint:errcheck // a leftover costs only space
	if err := os.WriteFile(filepath.Join(work, "pom.xml"), []byte(pom), 0o600); err != nil {
		return err
	}
	mvn := exec.CommandContext(ctx, "mvn", "-q", "-B", "dependency:"+goal, "-DoutputDirectory="+filepath.Join(work, "files"))
	mvn.Dir = work
	if out, err := mvn.CombinedOutput(); err != nil {
		return fmt.Errorf("download %s: %w: %s", filepath.Base(dir), err, out)
	}
	return os.Rename(filepath.Join(work, "files"), dir)
}
