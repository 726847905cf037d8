package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
)

type completionCommand struct {
	Shell string `arg:"" help:"bash, zsh or fish." enum:"bash,zsh,fish"`
}

// Run prints the script, which knows every verb and flag of this binary.
func (c *completionCommand) Run(ctx *kong.Context, std *settings.Streams) error {
	verbs := verbsOf(ctx.Model.Node)
	switch c.Shell {
	case "fish":
		printFish(std.Out, verbs)
	case "zsh":
		fmt.Fprintf(std.Out, "%s", "#compdef lowcap-cdc\nautoload -U +X bashcompinit && bashcompinit\n")
		printBash(std.Out, verbs)
	default:
		printBash(std.Out, verbs)
	}
	return nil
}

// verb is a verb and what may follow it.
type verb struct {
	name, help string
	words      []string // flags and verbs below it
	flags      []*kong.Flag
}

func verbsOf(root *kong.Node) []verb {
	var verbs []verb
	for _, node := range root.Children {
		v := verb{name: node.Name, help: node.Help, flags: append(append([]*kong.Flag{}, node.Flags...), root.Flags...)}
		for _, below := range node.Children {
			v.words = append(v.words, below.Name)
			v.flags = append(v.flags, below.Flags...)
		}
		for _, f := range v.flags {
			v.words = append(v.words, "--"+f.Name)
		}
		verbs = append(verbs, v)
	}
	return verbs
}

func printBash(out io.Writer, verbs []verb) {
	var names []string
	fmt.Fprintf(out, "%s", "_lowcap_cdc() {\n  local words\n  case \"${COMP_WORDS[1]}\" in\n")
	for _, v := range verbs {
		names = append(names, v.name)
		fmt.Fprintf(out, "    %s) words=%q ;;\n", v.name, strings.Join(v.words, " "))
	}
	fmt.Fprintf(out, "  esac\n  [ \"$COMP_CWORD\" = 1 ] && words=%q\n", strings.Join(names, " "))
	fmt.Fprintf(out, "%s", "  COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\ncomplete -o default -F _lowcap_cdc lowcap-cdc\n")
}

func printFish(out io.Writer, verbs []verb) {
	for _, v := range verbs {
		fmt.Fprintf(out, "complete -c lowcap-cdc -n __fish_use_subcommand -f -a %s -d %s\n", v.name, quoteFish(v.help))
		for _, f := range v.flags {
			fmt.Fprintf(out, "complete -c lowcap-cdc -n '__fish_seen_subcommand_from %s' -l %s -d %s\n", v.name, f.Name, quoteFish(f.Help))
		}
	}
}

func quoteFish(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}
