package diag

import (
	"cmp"
	"slices"
)

// Codes of what is found in single files. The rules of the checker carry their
// own; the families are listed at [Code].
const (
	InvalidTOML   Code = "S0001"
	NotText       Code = "S0002"
	ExtendedTable Code = "S0003"
	UnusedIgnore  Code = "S0101"
	InvalidIgnore Code = "S0102"

	InvalidScenario   Code = "S0301"
	UnknownInScenario Code = "S0302"
	InvalidInScenario Code = "S0303"

	UnknownKind   Code = "K1001"
	SingleTable   Code = "K1002"
	IgnoredKind   Code = "K1003"
	UnknownKey    Code = "K1005"
	ForeignKey    Code = "K1006"
	WrongType     Code = "K1007"
	MissingKey    Code = "K1008"
	UnknownValue  Code = "K1009"
	EmptyValue    Code = "K1010"
	NoCondition   Code = "K1011"
	NotOneTest    Code = "K1012"
	NoJSONForm    Code = "K1013"
	OutOfRange    Code = "K1014"
	NewerSpelling Code = "K1015"
	InvalidValue  Code = "K1016"
	Contradiction Code = "K1017"

	InvalidName Code = "N2001"

	FileTooLarge   Code = "X9001"
	NestedTooDeep  Code = "X9002"
	TooManyParts   Code = "X9003"
	TooManyKeys    Code = "X9004"
	DecoderFailure Code = "X9005"
	TooManyTables  Code = "X9006"
	TooManyErrors  Code = "X9007"
	TooManyIgnores Code = "X9008"

	TooManyFindings Code = "X9009"
	TooManyValues   Code = "X9010"
	GaveUp          Code = "X9011"
)

// Info is one row of the table of codes: what `rindc explain` says about a code.
type Info struct {
	Code     Code
	Severity Severity // of its diagnostics, unless the command line raises it
	Title    string   // what the diagnostic is about, without the particulars
	Text     string   // why it is wrong and what to do
	Strict   bool     // only reported with --strict

	// Wrong has this mistake and no other, Right is the same without it. Each is
	// a unit file, or several of them, each below a line "-- name.toml --". A
	// mistake that fits into no example has neither.
	Wrong, Right string
}

// Ignorable reports whether a suppression comment or --allow may hide
// diagnostics of the code. With an error the units have no meaning that a plan
// could have.
func (i Info) Ignorable() bool { return i.Severity != Error }

// Codes lists the codes above, sorted. A code is never used again for something
// else; a new one is a new row.
var Codes = slices.Concat(keyCodes, nameCodes, syntaxCodes, scenarioCodes, limitCodes)

// Lookup returns the row of code.
func Lookup(code Code) (Info, bool) {
	i, ok := slices.BinarySearchFunc(Codes, code, func(i Info, c Code) int { return cmp.Compare(i.Code, c) })
	if !ok {
		return Info{}, false
	}
	return Codes[i], true
}
