package settings

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"lowcap-cdc/sink/file"
)

const (
	leastRotate = 1 << 20 // bytes; a manifest of smaller segments would be larger than they are
	leastEvery  = time.Minute
)

// openFile makes the sink of DIR?rotate=SIZE&every=DURATION.
func (s *Settings) openFile(rest string) (*file.Sink, error) {
	dir, query, _ := strings.Cut(rest, "?")
	if dir == "" {
		return nil, Usage(errors.New("--sink file: names no directory; write file:DIR"))
	}
	if strings.TrimSpace(dir) != dir || strings.ContainsFunc(dir, unicode.IsControl) {
		return nil, Usage(errors.New("--sink file: names a directory with blanks around it, or a line end in it; write file:DIR"))
	}
	if strings.HasPrefix(dir, "//") && !strings.HasPrefix(dir, "///") {
		return nil, Usage(errors.New("--sink file://HOST is no directory of this machine; write file:DIR or file:///DIR"))
	}
	options, err := fileOptions(query)
	if err != nil {
		return nil, Usage(fmt.Errorf("--sink file:%s: %w; write for example file:%s?rotate=256MB&every=24h", rest, err, dir))
	}
	options.Hook = failpoint()
	if s.damage == nil {
		s.damage = &damage{told: make(map[string]bool)}
	}
	options.Damaged = func(err error) error { s.damage.tell(s, os.Stderr, err); return nil }
	options.Notice = func(line string) { log := s.Logger(os.Stderr); log.Info().Msg(line) } // any crash may leave such a tail
	options.Missing = func(err error) { s.notice(err.Error()) }
	return file.New(dir, options)
}

func fileOptions(query string) (o file.Options, err error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return o, err
	}
	for key, given := range values {
		switch {
		case len(given) > 1:
			return o, fmt.Errorf("%s is given twice", key)
		case key == "rotate":
			o.RotateSize, err = parseSize(given[0])
		case key == "every":
			o.RotateEvery, err = parseEvery(given[0])
		default:
			err = fmt.Errorf("%q is not known, only rotate and every are", key)
		}
		if err != nil {
			return o, err
		}
	}
	return o, nil
}

// parseSize reads 256MB or 2GB, of 1024 KB of 1024 bytes each.
func parseSize(text string) (int64, error) {
	for unit, bytes := range map[string]int64{"MB": 1 << 20, "GB": 1 << 30} {
		digits, ok := strings.CutSuffix(text, unit)
		n, err := strconv.ParseInt(digits, 10, 32)
		if ok && err == nil && n*bytes >= leastRotate {
			return n * bytes, nil
		}
	}
	return 0, fmt.Errorf("rotate=%s is no size of at least 1MB", text)
}

func parseEvery(text string) (time.Duration, error) {
	every, err := time.ParseDuration(text)
	if err != nil || every < leastEvery {
		return 0, fmt.Errorf("every=%s is no time of at least 1m", text)
	}
	return every, nil
}
