package settings

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const stopWithin = 10 * time.Second

// UntilSignal returns a context that ends with SIGINT or SIGTERM. The batch in hand may take stopWithin; after that, or
// at a second signal, the process goes at once: that loses nothing, it is what a crash is.
func UntilSignal(errOut io.Writer) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() {
		again := make(chan os.Signal, 1)
		signal.Notify(again, os.Interrupt, syscall.SIGTERM)
		select {
		case <-again:
		case <-time.After(stopWithin):
		}
		fmt.Fprintln(errOut, "lowcap-cdc: stopped at once, as a crash would; the next start goes on from what is committed")
		os.Exit(ExitFailed)
	})
	return ctx, stop
}
