package settings

import (
	"io"
	"os"

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
