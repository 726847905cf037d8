package settings

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
)

// Streams is what a verb reads from and writes to.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// IsTerminal reports whether colours are of use; NO_COLOR says that they are not wanted.
func IsTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && isatty.IsTerminal(f.Fd()) && os.Getenv("NO_COLOR") == ""
}

// Confirm asks for a slot's name. An answer that is another one is a usage error, and so is an input that ends: otherwise is
// what it means.
func (s *Streams) Confirm(slot, otherwise string) error {
	fmt.Fprint(s.Out, "type the slot's name to continue: ")
	answer, _ := bufio.NewReader(s.In).ReadString('\n') // an input that ends is no consent
	if strings.TrimSpace(answer) != slot {
		return Usage(fmt.Errorf("%s: that is not the slot's name; scripts set --yes", otherwise))
	}
	return nil
}
