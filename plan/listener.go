package plan

import (
	"maps"
	"slices"
)

// SameListener reports whether the listener of one definition of a socket can become
// that of the other. Otherwise it has to be bound anew: there is another endpoint or
// option, the connections are for somebody else, or it is for everybody in only one of
// them. Who holds the permissions can change in place.
func (s *Socket) SameListener(other *Socket) bool {
	return s.Type == other.Type && s.Listen == other.Listen &&
		maps.Equal(s.Options, other.Options) && slices.Equal(s.Prefer, other.Prefer) &&
		s.Accept == other.Accept && (s.Owner == "") == (other.Owner == "") &&
		s.Restricted() == other.Restricted()
}
