package settings

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"unsafe"

	"github.com/mattn/go-isatty"
)

// Streams is what a verb reads from and writes to.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Output is a file that remembers whether something could not be written: who prints many lines does not look at each.
type Output struct {
	*os.File
	failed error
}

// Write writes to the file.
func (o *Output) Write(p []byte) (int, error) {
	n, err := o.File.Write(p)
	if o.failed == nil && err != nil {
		o.failed = err
	}
	return n, err
}

// Failed returns the first error of an Output, and nil of every other writer.
func Failed(out io.Writer) error {
	if o, ok := out.(*Output); ok {
		return o.failed
	}
	return nil
}

// descriptor is a file that may be a terminal.
type descriptor interface{ Fd() uintptr }

// IsTerminal reports whether a person looks at what is written.
func IsTerminal(out io.Writer) bool {
	f, ok := out.(descriptor)
	return ok && isatty.IsTerminal(f.Fd())
}

// IsColoured reports whether colours are of use; NO_COLOR says that they are not wanted.
func IsColoured(out io.Writer) bool { return IsTerminal(out) && os.Getenv("NO_COLOR") == "" }

// Confirm asks for a slot's name. An answer that is another one is a usage error, and so is an input that ends: otherwise is
// what it means.
func (s *Streams) Confirm(slot, otherwise string) error {
	fmt.Fprintf(s.Out, "type the slot's name to continue: ")
	answer, _ := bufio.NewReader(s.In).ReadString('\n') // an input that ends is no consent
	if strings.TrimSpace(answer) != slot {
		return Usage(fmt.Errorf("%s: that is not the slot's name; scripts set --yes", otherwise))
	}
	return nil
}

// Width returns how many columns a terminal has; 0 for what is no terminal.
func Width(out io.Writer) int {
	f, ok := out.(descriptor)
	if !ok || !IsTerminal(out) {
		return 0
	}
	var size struct{ rows, columns, x, y uint16 }
	_, _, failed := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&size)))
	if failed != 0 {
		return 0
	}
	return int(size.columns)
}
