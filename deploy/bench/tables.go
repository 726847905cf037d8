package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// tables are the parts of the report in Markdown, by the names that docs/performance.md has for them.
var tables = []table{
	{"machine", (*document).printMachine},
	{"throughput", (*document).printThroughput},
	{"tls", (*document).printTLS},
	{"latency", (*document).printLatency},
	{"saturation", (*document).printSaturation},
	{"notify", (*document).printNotify},
	{"idle", (*document).printIdle},
	{"pairs", (*document).printPairs},
}

// table is a part of the report, which prints nothing where nothing was measured.
type table struct {
	name  string
	print func(*document, io.Writer)
}

// print writes every table that has a line.
func (d *document) print(out io.Writer) {
	for _, t := range tables {
		var text strings.Builder
		if t.print(d, &text); text.Len() > 0 {
			fmt.Fprintf(out, "%s\n", text.String())
		}
	}
}

func (d *document) printMachine(out io.Writer) {
	fmt.Fprintf(out, "%s; %s. %s, scale %g. Shared by Postgres, Kafka and the contender; median (min–max).\n", d.Machine, d.Versions,
		d.Started.Format("2006-01-02"), d.Scale)
}

// head begins a table.
func head(out io.Writer, columns ...string) {
	fmt.Fprintf(out, "| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
}

func (d *document) printThroughput(out io.Writer) { d.printRuns(out, false) }

func (d *document) printTLS(out io.Writer) { d.printRuns(out, true) }

// printRuns prints a line for each contender of each workload, in their order.
func (d *document) printRuns(out io.Writer, tls bool) {
	for i, group := range d.grouped(tls) {
		if i == 0 {
			head(out, "workload", "contender", "of the limit", "seconds", "of them streaming", "events/s", "CPU s", "sender's CPU s", "broker's CPU s", "peak RSS MB", "events")
		}
		first := group[0]
		fmt.Fprintf(out, "| %s: %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", first.Workload, first.Title, first.Contender,
			spread(group, 2, func(x result) float64 { return x.OfLimit }), spread(group, 2, func(x result) float64 { return x.Seconds }),
			spread(group, 2, func(x result) float64 { return x.Streaming }),
			middle(group, func(x result) float64 { return float64(x.Events) / x.Seconds }),
			spread(group, 2, func(x result) float64 { return x.CPU }), spread(group, 2, func(x result) float64 { return x.SenderCPU }),
			unless(!isPublishing(first.Contender), spread(group, 2, func(x result) float64 { return x.BrokerCPU })),
			spread(group, 0, func(x result) float64 { return float64(x.PeakRSS) / (1 << 20) }), verdict(first))
	}
}

// grouped returns the runs of each contender of each workload, in the order of their first.
func (d *document) grouped(tls bool) (groups [][]result) {
	at := make(map[[2]string]int)
	for _, one := range d.Runs {
		if one.TLS != tls {
			continue
		}
		key := [2]string{one.Workload, one.Contender}
		i, known := at[key]
		if !known {
			i = len(groups)
			at[key], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], one)
	}
	slices.SortStableFunc(groups, func(a, b []result) int { return d.order(a[0].Workload) - d.order(b[0].Workload) })
	return groups
}

// order returns where a workload was first measured.
func (d *document) order(workload string) int {
	return slices.IndexFunc(d.Runs, func(r result) bool { return r.Workload == workload })
}

// isPublishing reports whether a contender gives the broker anything to do.
func isPublishing(contender string) bool {
	return contender != "file" && !strings.HasPrefix(contender, "limit")
}

// verdict says what was read back: of the sidecar exactly what the backlog is, of a rival what it made of the rows.
func verdict(of result) string {
	switch of.Contender {
	case "limit", "limit-binary", "limit-columns":
		return "–"
	case "file", "kafka", "kafka-columns", "base":
		return fmt.Sprintf("%d of %d", of.Events, of.Expected)
	}
	return fmt.Sprintf("%d records", of.Events)
}

func (d *document) printLatency(out io.Writer) {
	for i, l := range d.Latencies {
		if i == 0 {
			head(out, "changes/s", "contender", "TLS", "events read", "p50 ms", "of the bare producer", "p99 ms", "of the bare producer", "max ms",
				"the write itself p50 / p99 ms", "CPU s", "peak RSS MB")
		}
		fifty, ninetyNine := d.bare(l)
		fmt.Fprintf(out, "| %d | %s | %s | %d of %d | %.1f | %s | %.1f | %s | %.1f | %.1f / %.1f | %s | %s |\n", l.Rate, l.Contender, yes(l.TLS),
			l.Read, l.Written, l.P50, ratio(l.P50, fifty), l.P99, ratio(l.P99, ninetyNine), l.Max, l.Write50, l.Write99,
			unless(l.PeakRSS == 0, fmt.Sprintf("%.2f", l.CPU)), unless(l.PeakRSS == 0, fmt.Sprintf("%d", l.PeakRSS>>20)))
	}
}

// bare returns the best of the bare producers at the same rate: the limit.
func (d *document) bare(of latency) (p50, p99 float64) {
	for _, l := range d.Latencies {
		if (l.Contender == bareFranz || l.Contender == bareJava) && l.Rate == of.Rate && l.TLS == of.TLS {
			if p50 == 0 || l.P50 < p50 {
				p50 = l.P50
			}
			if p99 == 0 || l.P99 < p99 {
				p99 = l.P99
			}
		}
	}
	return p50, p99
}

func ratio(of, limit float64) string {
	if limit == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", of/limit)
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

func unless(unknown bool, text string) string {
	if unknown {
		return "–"
	}
	return text
}

func (d *document) printSaturation(out io.Writer) {
	for i, s := range d.Saturation {
		if i == 0 {
			head(out, "contender", fmt.Sprintf("highest rate with p99 ≤ %d ms", bearable), "what was tried: changes/s (p99 ms)")
		}
		var tried []string
		for _, p := range s.Probes {
			tried = append(tried, fmt.Sprintf("%d (%.0f)", p.Rate, p.P99))
		}
		fmt.Fprintf(out, "| %s | %d/s | %s |\n", s.Contender, s.Rate, strings.Join(tried, ", "))
	}
}

func (d *document) printNotify(out io.Writer) {
	for i, n := range d.Notify {
		if i == 0 {
			head(out, "emergency exits", "other changes a second", "the write itself p50 / p99 ms", "visible", "read", "posted", "posted, max")
		}
		fmt.Fprintf(out, "| %d of %d | %d | %.1f / %.1f | %.1f / %.1f | %.1f / %.1f | %.1f / %.1f | %.1f |\n", n.Taken, n.Written, n.Load,
			n.Write.P50, n.Write.P99, n.Visible.P50, n.Visible.P99, n.Read.P50, n.Read.P99, n.Posted.P50, n.Posted.P99, n.Posted.Max)
	}
}

func (d *document) printIdle(out io.Writer) {
	type group struct {
		contender string
		images    int
	}
	var order []group
	runs := make(map[group][]idle)
	for _, i := range d.Idle {
		g := group{i.Contender, i.Images}
		if runs[g] == nil {
			order = append(order, g)
		}
		runs[g] = append(runs[g], i)
	}
	for i, g := range order {
		if i == 0 {
			head(out, "positions known", "sink", "starts", "start to streaming ms", "RSS at rest MB", "peak RSS MB")
		}
		of := func(value func(idle) float64) string {
			var all []float64
			for _, one := range runs[g] {
				all = append(all, value(one))
			}
			slices.Sort(all)
			return spreadOf(all, 0)
		}
		fmt.Fprintf(out, "| %d | %s | %d | %s | %s | %s |\n", g.images, g.contender, len(runs[g]), of(func(i idle) float64 { return i.StartMS }),
			of(func(i idle) float64 { return float64(i.RSS) / (1 << 20) }), of(func(i idle) float64 { return float64(i.PeakRSS) / (1 << 20) }))
	}
}

// printPairs compares two builds: each run with the other's of the same turn.
func (d *document) printPairs(out io.Writer) {
	groups := slices.Concat(d.grouped(false), d.grouped(true))
	for _, base := range groups {
		if base[0].Contender != "base" {
			continue
		}
		i := slices.IndexFunc(groups, func(g []result) bool { return g[0].Contender == "kafka" && g[0].Workload == base[0].Workload })
		if i < 0 {
			continue
		}
		pairs := func(value func(result) float64) string {
			var all []float64
			for _, b := range base {
				for _, h := range groups[i] {
					if h.Turn == b.Turn && value(b) > 0 {
						all = append(all, value(h)/value(b))
					}
				}
			}
			slices.Sort(all)
			return spreadOf(all, 2)
		}
		if out.(*strings.Builder).Len() == 0 {
			fmt.Fprintln(out, "This build, divided by the base, in pairs of the same turn; below 1 is better:")
			fmt.Fprintln(out)
			head(out, "workload", "pairs", "seconds", "CPU", "peak RSS")
		}
		fmt.Fprintf(out, "| %s | %d | %s | %s | %s |\n", base[0].Workload, len(base), pairs(func(r result) float64 { return r.Seconds }),
			pairs(func(r result) float64 { return r.CPU }), pairs(func(r result) float64 { return float64(r.PeakRSS) }))
	}
}
