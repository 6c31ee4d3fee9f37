package diag

// Codes of what the decoder finds in single files. The rules of the checker
// carry their own; the families are listed at [Code].
const (
	InvalidTOML   Code = "S0001"
	NotText       Code = "S0002"
	ExtendedTable Code = "S0003"

	UnknownKind     Code = "K1001"
	SingleTable     Code = "K1002"
	IgnoredKind     Code = "K1003"
	UnsupportedKind Code = "K1004"
	UnknownKey      Code = "K1005"
	UnsupportedKey  Code = "K1006"
	WrongType       Code = "K1007"
	MissingKey      Code = "K1008"
	UnknownValue    Code = "K1009"
	EmptyValue      Code = "K1010"
	NoCondition     Code = "K1011"
	NotOneTest      Code = "K1012"
	NoJSONForm      Code = "K1013"
	OutOfRange      Code = "K1014"
	NewerSpelling   Code = "K1015"

	InvalidName Code = "N2001"

	FileTooLarge   Code = "X9001"
	NestedTooDeep  Code = "X9002"
	TooManyParts   Code = "X9003"
	TooManyKeys    Code = "X9004"
	DecoderFailure Code = "X9005"
	TooManyTables  Code = "X9006"
	TooManyErrors  Code = "X9007"
)

// Info is one row of the table of codes.
type Info struct {
	Code  Code
	Title string // what the diagnostic is about, without the particulars
}

// Codes lists the codes above, sorted. A code is never used again for something
// else; a new one is a new row.
var Codes = []Info{
	{UnknownKind, "unknown kind of unit"},
	{SingleTable, "a unit that is not an array of tables"},
	{IgnoredKind, "a kind of unit that only the full Rind init has"},
	{UnsupportedKind, "a kind of unit that this version does not run yet"},
	{UnknownKey, "unknown key"},
	{UnsupportedKey, "a key that this version does not support yet"},
	{WrongType, "a value of the wrong type"},
	{MissingKey, "a required key is missing"},
	{UnknownValue, "a value that is not one of the allowed ones"},
	{EmptyValue, "a value that must not be empty"},
	{NoCondition, "a condition without a state or signal"},
	{NotOneTest, "a test that is not exactly one of binary, contains, as"},
	{NoJSONForm, "a value that has no JSON form"},
	{OutOfRange, "a number that is out of range"},
	{NewerSpelling, "a spelling of newer Rind versions"},
	{InvalidName, "invalid name"},
	{InvalidTOML, "invalid TOML"},
	{NotText, "not a UTF-8 text file"},
	{ExtendedTable, "a finished table or array is extended"},
	{FileTooLarge, "file too large"},
	{NestedTooDeep, "nested too deeply"},
	{TooManyParts, "a dotted key with too many parts"},
	{TooManyKeys, "too many keys"},
	{DecoderFailure, "the TOML decoder failed"},
	{TooManyTables, "too many tables"},
	{TooManyErrors, "more errors in one unit than are reported"},
}

// Lookup returns the row of code.
func Lookup(code Code) (Info, bool) {
	for _, i := range Codes {
		if i.Code == code {
			return i, true
		}
	}
	return Info{}, false
}
