package grammar

import (
	"fmt"
	"strings"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"
)

// Limits of addresses, in bytes. A group is a path below the units root, so an
// address is no longer than a path and a name.
const (
	MaxSegment = 200
	MaxAddress = 4096
)

// Address is the name of a definition as written: group@name, or name alone.
type Address struct {
	Group string // "" when only the name was written
	Name  string
}

func (a Address) String() string {
	if a.Group == "" {
		return a.Name
	}
	return a.Group + "@" + a.Name
}

type addressTree struct {
	First string   `parser:"@Segment"`
	More  []string `parser:"( ( '/' @Segment )*"`
	Name  string   `parser:"  '@' @Segment )?"`
}

const (
	segmentToken = iota
	punctToken
	strangeToken
)

var addressParser = lazily[addressTree](
	participle.Lexer(define(func() scanFunc { return scanAddress }, "Segment", "Punct", "Strange")),
)

func scanAddress(rest string) (lexer.TokenType, int) {
	if n := segmentLen(rest); n > 0 {
		return tokenType(segmentToken), n
	}
	if rest[0] == '/' || rest[0] == '@' {
		return tokenType(punctToken), 1
	}
	return tokenType(strangeToken), runeLen(rest)
}

// segmentLen returns how many bytes at the start of s can be part of a name.
func segmentLen(s string) int {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (c < '0' || c > '9') && c != '_' && c != '.' && c != '-' {
			return i
		}
	}
	return len(s)
}

// ParseAddress parses group@name or name (SPEC §2 rules 5 and 6). It does not
// know whether the definition exists.
func ParseAddress(s string) (Address, *Error) {
	if len(s) > MaxAddress {
		return Address{}, errorAt(0, len(s), "shorten the name or the path of its file",
			"an address of %d bytes is too long, at most %d are allowed", len(s), MaxAddress)
	}
	a, ok := acceptAddress(s)
	if !ok {
		tree, err := addressParser().ParseString("", s)
		if err != nil {
			return Address{}, explainAddress(s, offsetOf(err))
		}
		a = tree.address()
	}
	return a, checkSegments(s)
}

// acceptAddress does for correct addresses what the grammar does, and 500 times
// as fast: a large plan has tens of thousands of them. FuzzAddress proves that
// the two agree.
func acceptAddress(s string) (Address, bool) {
	group, name, qualified := strings.Cut(s, "@")
	if !qualified {
		return Address{Name: s}, isSegment(s)
	}
	for part := range strings.SplitSeq(group, "/") {
		if !isSegment(part) {
			return Address{}, false
		}
	}
	return Address{Group: group, Name: name}, isSegment(name)
}

func isSegment(s string) bool { return s != "" && segmentLen(s) == len(s) }

func (t *addressTree) address() Address {
	if t.Name == "" {
		return Address{Name: t.First}
	}
	return Address{Group: strings.Join(append([]string{t.First}, t.More...), "/"), Name: t.Name}
}

// CheckName checks the name of a definition, which is one segment.
func CheckName(s string) *Error {
	const form = "use letters, digits, `_`, `.` and `-`"
	if s == "" {
		return errorAt(0, 0, form, "a name must not be empty")
	}
	if i := strings.IndexAny(s, "@/"); i >= 0 && segmentLen(s) == i {
		return errorAt(i, i+1, "leave the group out: it is the path of the file",
			"a name must not contain %s", show(s[i:]))
	}
	if n := segmentLen(s); n < len(s) {
		return errorAt(n, n+runeLen(s[n:]), form, "a name must not contain %s", show(s[n:]))
	}
	return checkSegments(s)
}

func checkSegments(s string) *Error {
	at := 0
	for part := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == '/' || r == '@' }) {
		at += strings.Index(s[at:], part)
		if len(part) > MaxSegment {
			return errorAt(at, at+len(part), "shorten the name",
				"a name of %d bytes is too long, at most %d are allowed", len(part), MaxSegment)
		}
		at += len(part)
	}
	return nil
}

const addressForm = "write `group@name`, or `name` for a definition of the same group"

// explainAddress says what is wrong with s, which the grammar refused at the
// byte stopped.
func explainAddress(s string, stopped int) *Error {
	if s == "" {
		return errorAt(0, 0, addressForm, "an address must not be empty")
	}
	if group, name, ok := strings.Cut(s, ":"); ok {
		if a, fits := acceptAddress(group + "@" + name); fits {
			return errorAt(0, len(s), fmt.Sprintf("write `%s`", a),
				"`group:name` is the spelling of newer Rind versions").instead(group + "@" + name)
		}
	}
	at := 0
	for at < len(s) {
		n := segmentLen(s[at:])
		at += n
		if at == len(s) {
			break
		}
		if s[at] != '@' && s[at] != '/' {
			return errorAt(at, at+runeLen(s[at:]), addressForm+" with letters, digits, `_`, `.` and `-`",
				"an address must not contain %s", show(s[at:]))
		}
		if n == 0 {
			return errorAt(at, at+1, addressForm, "a name is missing before %s", show(s[at:]))
		}
		at++
	}
	if first, last := strings.IndexByte(s, '@'), strings.LastIndexByte(s, '@'); first != last {
		return errorAt(last, last+1, addressForm, "an address has only one `@`")
	}
	if last := len(s) - 1; s[last] == '@' || s[last] == '/' {
		return errorAt(last, last+1, addressForm, "a name is missing after %s", show(s[last:]))
	}
	switch slash, group := strings.IndexByte(s, '/'), strings.IndexByte(s, '@'); {
	case slash > group && group >= 0:
		return errorAt(slash, slash+1, addressForm, "a name must not contain %s", show(s[slash:]))
	case slash >= 0:
		last := strings.LastIndexByte(s, '/')
		return errorAt(0, len(s), fmt.Sprintf("write `%s@%s`, or `%s@name` for something in that group", s[:last], s[last+1:], s), "an address must not be a group alone")
	}
	return errorAt(min(stopped, len(s)), len(s), addressForm, "%s is not expected here", show(s[min(stopped, len(s)):]))
}
