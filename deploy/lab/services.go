package lab

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// Write puts a file into the machine.
func (h *Host) Write(path, content string) {
	h.t.Helper()
	h.Run("sh", "-c", `mkdir -p "$(dirname "$1")" && printf '%s' "$2" > "$1"`, "sh", path, content)
}

// Service makes a program a service of the machine and starts it. The settings are lines of a unit's section Service.
func (h *Host) Service(name, settings string, command ...string) {
	h.t.Helper()
	h.Write("/etc/systemd/system/"+name+".service", "[Service]\n"+settings+"ExecStart="+strings.Join(command, " ")+"\n")
	h.Run("systemctl", "daemon-reload")
	h.Run("systemctl", "start", name)
}

// StartPostgres makes Postgres a service of the machine, postgres, at the usual port, and returns the directory of its
// programs. On the machine anybody is any role; over the network each needs a password.
func (h *Host) StartPostgres() (programs string) {
	h.t.Helper()
	bin, err := postgresBin()
	if err != nil {
		h.t.Fatal(err)
	}
	const home = "/var/lib/trading"
	h.Run("install", "-d", "-o", "postgres", home)
	h.Run("runuser", "-u", "postgres", "--", filepath.Join(bin, "initdb"), "-D", home+"/data", "-U", "postgres", "--no-sync",
		"--auth-local=trust", "--auth-host=scram-sha-256")
	h.Service("postgres", "Type=notify\nUser=postgres\nRuntimeDirectory=postgresql\nKillSignal=SIGINT\n",
		filepath.Join(bin, "postgres"), "-D", home+"/data", "-k", "/run/postgresql", "-c", "fsync=off")
	return bin
}

// StartKafka makes a broker a service of the machine, kafka, at the usual port.
func (h *Host) StartKafka() {
	h.t.Helper()
	k := &Kafka{port: 9092, controller: 19092, dir: kafkaHome}
	h.startKafka(k, k.configuration(), "--standalone")
}

// StartKafkaAs is StartKafka with the broker's properties, but for the directory of its data. It must listen at the usual port.
func (h *Host) StartKafkaAs(properties string) {
	h.t.Helper()
	h.startKafka(&Kafka{port: 9092, dir: kafkaHome}, properties+"log.dirs="+kafkaHome+"/log\n")
}

const kafkaHome = "/var/lib/kafka"

func (h *Host) startKafka(k *Kafka, properties string, formatting ...string) {
	h.t.Helper()
	var err error
	if k.jars, err = kafkaJars(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	java, err := exec.LookPath("java")
	if err != nil {
		h.t.Fatal(err)
	}
	h.Write(k.properties(), properties)
	h.Run(k.java(h.t.Context(), "kafka.tools.StorageTool", k.formatting(formatting...)...).Args...)
	h.Service("kafka", "SuccessExitStatus=143\n", append([]string{java}, k.java(h.t.Context(), "kafka.Kafka", k.properties()).Args[1:]...)...)
	h.Until("Kafka", func() bool {
		_, err := h.Try("bash", "-c", fmt.Sprintf("</dev/tcp/127.0.0.1/%d", k.port))
		return err == nil
	})
}
