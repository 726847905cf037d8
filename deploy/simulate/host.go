package simulate

import "sync"

// host is where one life of an instance runs. When it ends so do its connections; what was sent before arrives all the same.
type host struct {
	name string

	mu    sync.Mutex
	down  bool
	links []*link
}

func (h *host) isDown() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.down
}

func (h *host) own(l *link) {
	h.mu.Lock()
	h.links = append(h.links, l)
	down := h.down
	h.mu.Unlock()
	if down {
		l.drop()
	}
}

// crash is a SIGKILL, as the rest of the world sees it.
func (h *host) crash() {
	h.mu.Lock()
	h.down = true
	links := h.links
	h.mu.Unlock()
	for _, l := range links {
		l.drop()
	}
}
