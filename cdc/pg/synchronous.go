package pg

import (
	"strings"

	"lowcap-cdc/cdc/check"
)

// applicationName is the sidecar's in the server's views.
const applicationName = "lowcap-cdc"

// checkStandby refuses to be a synchronous standby. A client that streams is one where synchronous_standby_names names it, or
// names everybody: every commit of the bot would then wait until the sink has the one before it.
func (f *catalog) checkStandby() error {
	for name := range standbyNames(f.standbys) {
		if name == "*" || strings.EqualFold(name, applicationName) {
			return permanentf("synchronous_standby_names is %q, which makes the sidecar a synchronous standby: the bot's commits would wait for the sink; run: alter system set synchronous_standby_names = 'THE STANDBYS BY NAME'; select pg_reload_conf()", f.standbys)
		}
	}
	return nil
}

// standbyNames yields the words of synchronous_standby_names: the names, and what stands around them. A quoted name may hold
// anything, quotation marks doubled.
func standbyNames(setting string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for rest := setting; rest != ""; {
			var name string
			if strings.HasPrefix(rest, `"`) {
				name, rest = quotedName(rest[1:])
			} else if end := strings.IndexAny(rest, " \t\n\r,()"); end > 0 {
				name, rest = rest[:end], rest[end:]
			} else if end == 0 {
				rest = rest[1:]
				continue
			} else {
				name, rest = rest, ""
			}
			if !yield(name) {
				return
			}
		}
	}
}

// quotedName reads a name up to its closing quotation mark, and returns what follows.
func quotedName(text string) (name, rest string) {
	for {
		part, behind, _ := strings.Cut(text, `"`)
		name += part
		if !strings.HasPrefix(behind, `"`) {
			return name, behind
		}
		name, text = name+`"`, behind[1:]
	}
}

func checkStandby(found *catalog) check.Finding {
	return finding("synchronous standby", "not the sidecar", found.checkStandby(), "")
}
