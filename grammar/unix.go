package grammar

import (
	"strings"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"
)

type unixTree struct {
	Abstract string   `parser:"  @Abstract"`
	Root     bool     `parser:"| @Slash?"`
	First    string   `parser:"  @Segment"`
	More     []string `parser:"  ( Slash @Segment )*"`
}

const (
	abstractToken = iota
	slashToken
	pathToken
)

var unixParser = lazily[unixTree](
	participle.Lexer(define(startUnix, "Abstract", "Slash", "Segment")),
)

// startUnix returns a scanner of one unix endpoint, where "@" means something
// at the start only.
func startUnix() scanFunc {
	first := true
	return func(rest string) (lexer.TokenType, int) {
		atStart := first
		first = false
		if atStart && rest[0] == '@' {
			return tokenType(abstractToken), len(rest)
		}
		segment := strings.TrimLeft(rest, "/")
		if n := len(rest) - len(segment); n > 0 {
			return tokenType(slashToken), n
		}
		if i := strings.IndexByte(rest, '/'); i > 0 {
			return tokenType(pathToken), i
		}
		return tokenType(pathToken), len(rest)
	}
}

// parseUnix parses a path or an abstract name. Paths lose what means nothing
// ("//" and "/./"); ".." is refused, because what it means depends on symbolic
// links and a relative path must stay below the socket directory.
func parseUnix(s string) (Endpoint, *Error) {
	tree, plain := acceptUnix(s)
	if !plain {
		parsed, err := unixParser().ParseString("", s)
		if err != nil {
			return Endpoint{}, explainUnix(s, offsetOf(err))
		}
		tree = *parsed
	}
	if tree.Abstract == "@" {
		return Endpoint{}, errorAt(0, 1, "write `@name`", "an abstract socket needs a name")
	}
	if tree.Abstract != "" {
		name := tree.Abstract[1:]
		return Endpoint{Kind: Abstract, Path: name}, checkUnixLen("the abstract name", name, s)
	}
	if bad := foreignPath(s); bad != nil {
		return Endpoint{}, bad
	}
	path := tree.path()
	if path == "" || strings.HasSuffix(s, "/.") {
		return Endpoint{}, errorAt(0, len(s), "add the name of the socket", "a path must not be a directory")
	}
	if i := dotDot(s); i >= 0 {
		return Endpoint{}, errorAt(i, i+2, "write the path that it leads to", "a path must not contain `..`")
	}
	return Endpoint{Kind: Path, Path: path}, checkUnixLen("the path", path, s)
}

// foreignPath reports what other programs replace in a path or read as a prefix of
// it, and would be the name of a directory here. One that is really called so can
// be written as "./~".
func foreignPath(s string) *Error {
	if strings.HasPrefix(s, "/") {
		return nil // nothing else begins like that, and nearly all paths do
	}
	if strings.HasPrefix(s, "~") {
		return errorAt(0, 1, "write the absolute path", "`~` is not replaced by a home directory here")
	}
	if e, bad := parseInet(s); bad == nil && (e.Addr.IsValid() || e.Wildcard || !strings.Contains(e.Host, "/")) {
		return errorAt(0, len(s), "write `type = \"tcp\"`, or the path of the socket", "an address and a port are no path")
	}
	for _, scheme := range []string{"unix://", "unix:", "file://"} {
		if rest, ok := strings.CutPrefix(s, scheme); ok && rest != "" {
			return errorAt(0, len(s), "write `"+rest+"`", "an endpoint is a path, not a URL").instead(rest)
		}
	}
	if scheme, _, ok := strings.Cut(s, "://"); ok && isSegment(scheme) {
		return errorAt(0, len(s), "write the path of the socket", "an endpoint is a path, not a URL")
	}
	return nil
}

// checkUnixLen checks the path or abstract name that was written as s.
func checkUnixLen(what, name, s string) *Error {
	if len(name) <= MaxUnixPath {
		return nil
	}
	return errorAt(0, len(s), "shorten it: the kernel has no room for more",
		"%s of a unix socket has %d bytes, at most %d are allowed", what, len(name), MaxUnixPath)
}

func (t *unixTree) path() string {
	var parts []string
	for _, p := range append([]string{t.First}, t.More...) {
		if p != "." {
			parts = append(parts, p)
		}
	}
	p := strings.Join(parts, "/")
	if !t.Root && (strings.HasPrefix(p, "@") || foreignPath(p) != nil) {
		return "./" + p // "./@x" is a file, "@x" is not
	}
	if t.Root && p != "" {
		return "/" + p
	}
	return p
}

// dotDot returns where s has a segment "..", or -1.
func dotDot(s string) int {
	at := 0
	for part := range strings.SplitSeq(s, "/") {
		if part == ".." {
			return at
		}
		at += len(part) + 1
	}
	return -1
}

func explainUnix(s string, stopped int) *Error {
	if strings.HasSuffix(s, "/") {
		return errorAt(len(s)-1, len(s), "add the name of the socket", "a path must not be a directory")
	}
	return errorAt(min(stopped, len(s)), len(s), endpointForm("uds"), "%s is not expected here", show(s[min(stopped, len(s)):]))
}
