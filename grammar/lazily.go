package grammar

import (
	"regexp"
	"sync" //nolint:depguard // several compile at the same time, and a parser never changes

	"github.com/alecthomas/participle/v2"
)

// lazily returns the parser of a grammar to whoever calls it first or later. To make
// all of them takes longer than to compile a hundred units, and most files need none:
// what is plain and correct has functions of its own, see plain.go.
func lazily[T any](options ...participle.Option) func() *participle.Parser[T] {
	return sync.OnceValue(func() *participle.Parser[T] { return participle.MustBuild[T](options...) })
}

// pattern returns an expression to whoever calls it first or later.
func pattern(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}
