package lab

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// Write puts a file into the machine.
func (m *Machine) Write(path, content string) {
	m.t.Helper()
	m.Run("sh", "-c", `mkdir -p "$(dirname "$1")" && printf '%s' "$2" > "$1"`, "sh", path, content)
}

// service makes a program a service of the machine and starts it.
func (m *Machine) service(name, settings string, command ...string) {
	m.t.Helper()
	m.Write("/etc/systemd/system/"+name+".service", "[Service]\n"+settings+"ExecStart="+strings.Join(command, " ")+"\n")
	m.Run("systemctl", "daemon-reload")
	m.Run("systemctl", "start", name)
}

// StartPostgres makes Postgres a service of the machine, postgres, at the usual port, and returns the directory of its
// programs. On the machine anybody is any role; over the network each needs a password.
func (m *Machine) StartPostgres() (programs string) {
	m.t.Helper()
	bin, err := postgresBin()
	if err != nil {
		m.t.Fatal(err)
	}
	const home = "/var/lib/trading"
	m.Run("install", "-d", "-o", "postgres", home)
	m.Run("runuser", "-u", "postgres", "--", filepath.Join(bin, "initdb"), "-D", home+"/data", "-U", "postgres", "--no-sync",
		"--auth-local=trust", "--auth-host=scram-sha-256")
	m.service("postgres", "Type=notify\nUser=postgres\nRuntimeDirectory=postgresql\nKillSignal=SIGINT\n",
		filepath.Join(bin, "postgres"), "-D", home+"/data", "-k", "/run/postgresql", "-c", "fsync=off")
	return bin
}

// StartKafka makes a broker a service of the machine, kafka, at the usual port.
func (m *Machine) StartKafka() {
	m.t.Helper()
	jars, err := kafkaJars(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	java, err := exec.LookPath("java")
	if err != nil {
		m.t.Fatal(err)
	}
	k := &Kafka{port: 9092, controller: 19092, dir: "/var/lib/kafka", jars: jars}
	m.Write(k.properties(), k.configuration())
	m.Run(k.java(m.t.Context(), "kafka.tools.StorageTool", k.formatting("--standalone")...).Args...)
	m.service("kafka", "SuccessExitStatus=143\n", append([]string{java}, k.java(m.t.Context(), "kafka.Kafka", k.properties()).Args[1:]...)...)
	m.Until("Kafka", func() bool {
		_, err := m.Try("bash", "-c", fmt.Sprintf("</dev/tcp/127.0.0.1/%d", k.port))
		return err == nil
	})
}
