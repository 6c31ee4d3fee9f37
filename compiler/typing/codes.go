// Package typing gives conditions their typed trees and payloads their types.
package typing

import "github.com/rind-sockets/rind/compiler/diag"

// Codes of this package.
const (
	TwoNames        diag.Code = "K1101"
	EmptyConditions diag.Code = "K1102"

	Expression     diag.Code = "T3101"
	StateNotSignal diag.Code = "T3102"
	EqualityOfNone diag.Code = "T3103"
	ContainsOfNone diag.Code = "T3104"
	AsOfNonJSON    diag.Code = "T3105"
	BinaryOfOther  diag.Code = "T3106"
	NoBranches     diag.Code = "T3107"
	NoBranchKey    diag.Code = "T3108"
)

// Codes lists the codes of this package.
var Codes = []diag.Info{
	{Code: TwoNames, Title: "a condition with both a state and a signal"},
	{Code: EmptyConditions, Title: "an empty list of conditions to start on"},
	{Code: Expression, Title: "a condition as an expression, which this version does not support yet"},
	{Code: StateNotSignal, Title: "a state condition that names a signal, or the reverse"},
	{Code: EqualityOfNone, Title: "equality on a payload of kind none"},
	{Code: ContainsOfNone, Title: "contains on a payload of kind none"},
	{Code: AsOfNonJSON, Title: "as on a payload that is not json"},
	{Code: BinaryOfOther, Title: "binary on a payload that is not bytes"},
	{Code: NoBranches, Title: "a branch test on something without branches"},
	{Code: NoBranchKey, Title: "a branch test on what is no branch key"},
}
