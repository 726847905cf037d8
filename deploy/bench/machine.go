package main

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
)

// machine says what was measured on.
type machine struct {
	Processor string `json:"processor"`
	Cores     int    `json:"cores"` // shared by Postgres, Kafka and the contender
	Memory    int64  `json:"memory_bytes"`
	SHA       bool   `json:"sha_instructions"`
}

func (m machine) String() string {
	sha := "with"
	if !m.SHA {
		sha = "without"
	}
	return fmt.Sprintf("%s, %d cores, %d GB, %s SHA instructions", m.Processor, m.Cores, m.Memory>>30, sha)
}

// thisMachine asks Linux.
func thisMachine() machine {
	cpu, _ := os.ReadFile("/proc/cpuinfo")
	memory, _ := os.ReadFile("/proc/meminfo")
	kB, _ := strconv.ParseInt(lineOf(memory, `MemTotal:\s+(\d+)`), 10, 64)
	flags := strings.Fields(lineOf(cpu, `flags\s*:(.*)`) + lineOf(cpu, `Features\s*:(.*)`))
	m := machine{Processor: lineOf(cpu, `model name\s*:\s*(.*)`), Cores: runtime.NumCPU(), Memory: kB << 10}
	for _, f := range flags {
		m.SHA = m.SHA || f == "sha_ni" || f == "sha2"
	}
	return m
}

func lineOf(text []byte, pattern string) string {
	found := regexp.MustCompile(pattern).FindSubmatch(text)
	if found == nil {
		return ""
	}
	return string(found[1])
}
