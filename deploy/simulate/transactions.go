package simulate

import (
	"slices"
	"strings"
)

// What a session's transactions do. What one writes nobody sees before its commit.

func (s *session) begin(*portal) ([][]any, string, error) {
	s.status, s.pending = 'T', nil
	return nil, "BEGIN", nil
}

func (s *session) commit(p *portal) ([][]any, string, error) {
	if s.status == 'E' {
		return s.rollBack(p)
	}
	if all := s.leaveTransaction(); len(all) > 0 {
		s.server.commit(true, all...)
	}
	return nil, "COMMIT", nil
}

func (s *session) rollBack(*portal) ([][]any, string, error) {
	s.leaveTransaction()
	return nil, "ROLLBACK", nil
}

// leaveTransaction ends a transaction, and returns what it wrote.
func (s *session) leaveTransaction() []change {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	all := s.pending
	s.status, s.pending, s.sees, s.holds = 'I', nil, nil, [2]bool{}
	return all
}

// write takes down what a statement writes. Outside of a transaction it is one of its own.
func (s *session) write(c change) {
	if s.status == 'I' {
		s.server.commit(true, c)
		return
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.pending = append(s.pending, c)
}

func (s *session) emit(p *portal) ([][]any, string, error) {
	s.write(change{op: 'M', prefix: p.args[0], content: p.args[1]})
	return [][]any{{s.server.inserted.String()}}, "SELECT 1", nil
}

// commentOn writes the publication's comment. Where two do, the second one waits for the first, and fails.
func (s *session) commentOn(p *portal) ([][]any, string, error) {
	_, text, _ := strings.Cut(p.text, "is '")
	switch {
	case s.isUnpublished():
		return nil, "", &refusal{"42704", "publication \"lowcap_cdc\" does not exist"}
	case s.server.alters(s, func(c *change) bool { return c.relation() == nil }):
		return nil, "", &refusal{"XX000", "tuple concurrently updated"}
	}
	s.write(change{op: 'C', comment: strings.ReplaceAll(strings.TrimSuffix(text, "'"), "''", "'")})
	return nil, "COMMENT", nil
}

// isUnpublished reports whether there is no publication.
func (s *session) isUnpublished() bool {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	return s.server.publication == 0
}

// createPublication makes it, for one table or both.
func (s *session) createPublication(p *portal) ([][]any, string, error) {
	if !s.isUnpublished() || s.server.alters(s, func(c *change) bool { return c.publication != nil }) {
		return nil, "", &refusal{"42710", "publication \"lowcap_cdc\" already exists"}
	}
	made := publication{oid: s.server.newOID()}
	for which, name := range tableNames {
		if !strings.Contains(p.text, name) {
			continue
		}
		s.server.mu.Lock()
		t := s.server.named(which)
		s.hold(which)
		s.server.mu.Unlock()
		if t == nil {
			return nil, "", &refusal{"42P01", "relation \"" + name + "\" does not exist"}
		}
		made.members[which] = s.server.newOID()
	}
	s.write(change{op: 'C', publication: &made})
	return nil, "CREATE PUBLICATION", nil
}

// addToPublication adds one table or both.
func (s *session) addToPublication(p *portal) ([][]any, string, error) {
	if s.isUnpublished() {
		return nil, "", &refusal{"42704", "publication \"lowcap_cdc\" does not exist"}
	}
	for which, name := range tableNames {
		if !strings.Contains(p.text, name) {
			continue
		}
		s.server.mu.Lock()
		t := s.server.named(which)
		s.hold(which)
		s.server.mu.Unlock()
		switch {
		case t == nil:
			return nil, "", &refusal{"42P01", "relation \"" + name + "\" does not exist"}
		case t.member != 0, s.server.alters(s, func(c *change) bool { return c.table == t }):
			return nil, "", &refusal{"42710", "relation \"" + name + "\" is already member of publication \"lowcap_cdc\""}
		}
		member := s.server.newOID()
		s.write(t.with(func(t *table) { t.member = member }))
	}
	return nil, "ALTER PUBLICATION", nil
}

// alters reports whether another session's open transaction has written something like this.
func (s *server) alters(but *session, like func(*change) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for session := range s.sessions {
		if session != but && slices.ContainsFunc(session.pending, func(c change) bool { return like(&c) }) {
			return true
		}
	}
	return false
}
