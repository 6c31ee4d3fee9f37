package decode

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
)

// Limits of unit files, checked before the TOML decoder sees a byte: it
// overflows the stack on a few megabytes of "[", needs minutes for a key of
// 40,000 parts, and gigabytes for a few kilobytes of nested inline tables.
const (
	maxFile    = 16 << 20
	maxNesting = 64
	maxParts   = 32
	maxHeaders = 1_000_000 // as many as a plan may have units
	maxKinds   = 1000      // of units; there are not even twenty

	// maxValues bounds the keys and the array elements of one unit, and those of
	// all that is in no unit: nothing that they would be used for needs more, and
	// what is decoded at a time is to be small.
	maxValues = 100_000

	maxErrors     = 100    // reported for one unit
	maxBroken     = 1000   // units with an error of syntax that are looked at
	maxFileErrors = 10_000 // then the rest of a large file is not looked at

	// maxWork bounds the parts of all keys, each with the keys around it, since
	// the decoder keeps a copy of that path for every key. Real files of the
	// largest size have a third of it.
	maxWork = 8 << 20
)

// limitError says which limit a file exceeds, and where.
type limitError struct {
	limit limit
	at    int
}

// limit is one of the limits with the text for its diagnostic.
type limit struct {
	code    diag.Code
	message string
	help    string
}

var (
	nestedTooDeep = limit{
		diag.NestedTooDeep,
		fmt.Sprintf("values nest more than %d levels deep", maxNesting),
		"flatten the value",
	}
	tooManyParts = limit{
		diag.TooManyParts,
		fmt.Sprintf("a dotted key has more than %d parts", maxParts),
		"no table of a unit file is that deep: shorten the key",
	}
	tooManyHeaders = limit{
		diag.TooManyTables,
		fmt.Sprintf("the file has more than %d tables", maxHeaders),
		"a plan can have no more units: remove some",
	}
	tooManyValues = limit{
		diag.TooManyValues,
		fmt.Sprintf("the keys and array elements of one unit are more than %d", maxValues),
		"write the data to a file of its own that the service reads",
	}
	tooManyKinds = limit{
		diag.TooManyTables,
		fmt.Sprintf("the file has more than %d kinds of units", maxKinds),
		"write the units below headers such as `[[socket]]`",
	}
	tooManyKeys = limit{
		diag.TooManyKeys,
		fmt.Sprintf("the keys of the file have more than %d parts in all", maxWork),
		"split the file into several",
	}
)

func (s *scanner) fail(l limit, at int) {
	if s.bad == nil {
		s.bad = &limitError{limit: l, at: max(at, 0)}
	}
}
