package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/schemas"
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
	words      []string // flags, verbs below it, values of its argument
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
		for _, argument := range node.Positional {
			v.words = append(v.words, enumOf(argument)...)
		}
		for _, f := range v.flags {
			v.words = append(v.words, "--"+f.Name)
		}
		verbs = append(verbs, v)
	}
	return verbs
}

// enumOf returns the values that a flag or an argument takes, without the empty one.
func enumOf(v *kong.Value) []string {
	if v.Enum == "" {
		return nil
	}
	return slices.DeleteFunc(strings.Split(v.Enum, ","), func(value string) bool { return value == "" })
}

// valuesOf returns the values that a flag takes; nil for any, such as a file's name.
func valuesOf(f *kong.Flag) []string {
	if f.Name != "type" {
		return enumOf(f.Value)
	}
	var names []string
	for _, k := range schemas.Kinds() {
		names = append(names, k.Type.Name())
	}
	return names
}

func printBash(out io.Writer, verbs []verb) {
	var names []string
	fmt.Fprintf(out, "%s", `_lowcap_cdc() {
  local words word=${COMP_WORDS[COMP_CWORD]} flag=${COMP_WORDS[COMP_CWORD-1]}
  if [ "$word" = = ]; then word=; elif [ "$flag" = = ]; then flag=${COMP_WORDS[COMP_CWORD-2]}; fi
  case "${COMP_WORDS[1]} $flag" in
`)
	for _, v := range verbs {
		names = append(names, v.name)
		for _, f := range v.flags {
			if values := valuesOf(f); values != nil {
				fmt.Fprintf(out, "    '%s --%s') words=%q ;;\n", v.name, f.Name, strings.Join(values, " "))
			} else if !f.IsBool() {
				fmt.Fprintf(out, "    '%s --%s') return ;;\n", v.name, f.Name)
			}
		}
	}
	for _, v := range verbs {
		fmt.Fprintf(out, "    '%s '*) words=%q ;;\n", v.name, strings.Join(v.words, " "))
	}
	fmt.Fprintf(out, "  esac\n  [ \"$COMP_CWORD\" = 1 ] && words=%q\n", strings.Join(names, " ")+" --help --version")
	fmt.Fprintf(out, "%s", "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\ncomplete -o default -F _lowcap_cdc lowcap-cdc\n")
}

func printFish(out io.Writer, verbs []verb) {
	fmt.Fprint(out, "complete -c lowcap-cdc -n __fish_use_subcommand -l help\ncomplete -c lowcap-cdc -n __fish_use_subcommand -l version\n")
	for _, v := range verbs {
		fmt.Fprintf(out, "complete -c lowcap-cdc -n __fish_use_subcommand -f -a %s -d %s\n", v.name, quoteFish(v.help))
		for _, word := range v.words {
			if !strings.HasPrefix(word, "--") {
				fmt.Fprintf(out, "complete -c lowcap-cdc -n '__fish_seen_subcommand_from %s' -f -a %s\n", v.name, word)
			}
		}
		for _, f := range v.flags {
			values := ""
			if list := valuesOf(f); list != nil {
				values = " -x -a " + quoteFish(strings.Join(list, " "))
			} else if !f.IsBool() {
				values = " -r -F" // such as a file's name
			}
			fmt.Fprintf(out, "complete -c lowcap-cdc -n '__fish_seen_subcommand_from %s' -l %s%s -d %s\n",
				v.name, f.Name, values, quoteFish(f.Help))
		}
	}
}

func quoteFish(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}
