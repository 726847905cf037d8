package metric

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var started = time.Now()

// process adds what the operating system says. What /proc alone knows is left out where there is none.
func (r *Registry) process() {
	r.Gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.").Set(float64(started.UnixMicro()) / 1e6)
	r.asked("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", cpuSeconds)
	r.Funcs("process_open_fds", "Number of open file descriptors.")(openFiles)
	limit := func(resource int) Func {
		return func() float64 {
			var l syscall.Rlimit
			syscall.Getrlimit(resource, &l) //nolint:errcheck // both resources are known everywhere
			return float64(l.Cur)
		}
	}
	r.Funcs("process_max_fds", "Maximum number of open file descriptors.")(limit(syscall.RLIMIT_NOFILE))
	r.Funcs("process_virtual_memory_max_bytes", "Maximum amount of virtual memory available in bytes.")(limit(syscall.RLIMIT_AS))
	if _, err := os.Stat("/proc/self/statm"); err != nil {
		return
	}
	r.Funcs("process_virtual_memory_bytes", "Virtual memory size in bytes.")(pages(0))
	r.Funcs("process_resident_memory_bytes", "Resident memory size in bytes.")(pages(1))
	r.asked("process_network_receive_bytes_total", "Number of bytes received by the process over the network.", octets("InOctets"))
	r.asked("process_network_transmit_bytes_total", "Number of bytes sent by the process over the network.", octets("OutOctets"))
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u) //nolint:errcheck // it is always known
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

func openFiles() float64 {
	dir, err := os.Open("/dev/fd")
	if err != nil {
		return 0
	}
	defer dir.Close() //nolint:errcheck // it was only read
	names, _ := dir.Readdirnames(0)
	return max(0, float64(len(names)-1)) // without the one that lists them
}

// pages reads a column of statm (proc_pid_statm(5)).
func pages(column int) Func {
	return func() float64 {
		text, _ := os.ReadFile("/proc/self/statm")
		fields := bytes.Fields(text)
		if column >= len(fields) {
			return 0
		}
		n, _ := strconv.ParseFloat(string(fields[column]), 64)
		return n * float64(os.Getpagesize())
	}
}

// octets reads a column of IpExt, of the process' network namespace: a line of names and a line of values.
func octets(column string) Func {
	return func() float64 {
		text, _ := os.ReadFile("/proc/self/net/netstat")
		var names []string
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if len(fields) == 0 || fields[0] != "IpExt:" {
				continue
			}
			for i, name := range names {
				if name == column && i < len(fields) {
					n, _ := strconv.ParseFloat(fields[i], 64)
					return n
				}
			}
			names = fields
		}
		return 0
	}
}
