package settings

import (
	"strings"
	"testing"
	"time"
)

func TestFileOptions(t *testing.T) {
	for query, want := range map[string]struct {
		size  int64
		every time.Duration
		err   string
	}{
		"":                        {},
		"rotate=256MB":            {size: 256 << 20},
		"rotate=2GB&every=24h":    {size: 2 << 30, every: 24 * time.Hour},
		"every=90m":               {every: 90 * time.Minute},
		"rotate=256":              {err: "no size of at least 1MB"},
		"rotate=0MB":              {err: "no size of at least 1MB"},
		"rotate=-1GB":             {err: "no size of at least 1MB"},
		"rotate=99999999999999MB": {err: "no size of at least 1MB"},
		"rotate=":                 {err: "no size of at least 1MB"},
		"every=1s":                {err: "no time of at least 1m"},
		"every=1d":                {err: "no time of at least 1m"},
		"rotat=1MB":               {err: `"rotat" is not known`},
		"rotate=1MB&rotate=2MB":   {err: "rotate is given twice"},
		"rotate=%zz":              {err: "invalid URL escape"},
	} {
		o, err := fileOptions(query)
		if (err == nil) != (want.err == "") || (err != nil && !strings.Contains(err.Error(), want.err)) {
			t.Errorf("%s: error %v, want %q", query, err, want.err)
		}
		if err == nil && (o.RotateSize != want.size || o.RotateEvery != want.every) {
			t.Errorf("%s: %+v", query, o)
		}
	}
}
