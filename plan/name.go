package plan

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxSegment is how many bytes a name, or one segment of a group, may have.
const MaxSegment = 200

// MakeName returns the full address of the definition name in group.
func MakeName(group, name string) Name { return Name(group + "@" + name) }

// Group returns the part before the @.
func (n Name) Group() string {
	group, _, _ := strings.Cut(string(n), "@")
	return group
}

// Short returns the part after the @: the name without its group.
func (n Name) Short() string {
	_, short, _ := strings.Cut(string(n), "@")
	return short
}

// Check reports why n is not a full address.
func (n Name) Check() error {
	group, short, ok := strings.Cut(string(n), "@")
	if !ok {
		return fmt.Errorf("name %q has no group: want group@name", string(n))
	}
	for segment := range strings.SplitSeq(group, "/") {
		if err := checkSegment(segment); err != nil {
			return fmt.Errorf("group of name %q: %w", string(n), err)
		}
	}
	if err := checkSegment(short); err != nil {
		return fmt.Errorf("name %q: %w", string(n), err)
	}
	return nil
}

func checkSegment(s string) error {
	if s == "" {
		return errors.New("a segment is empty")
	}
	if len(s) > MaxSegment {
		return fmt.Errorf("a segment has %d bytes, at most %d are allowed", len(s), MaxSegment)
	}
	for _, r := range s {
		if r >= utf8.RuneSelf || !nameByte(byte(r)) {
			return fmt.Errorf("character %q is not one of A-Z a-z 0-9 _ . -", r)
		}
	}
	return nil
}

func nameByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return c == '_' || c == '.' || c == '-'
}
