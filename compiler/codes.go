package compiler

import (
	"cmp"
	"slices"
	"sync"

	"github.com/rind-sockets/rind/compiler/action"
	"github.com/rind-sockets/rind/compiler/check"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/resolve"
	"github.com/rind-sockets/rind/compiler/typing"
)

// Codes of this package.
const (
	InvalidGroup diag.Code = "N2301"
	SameGroup    diag.Code = "N2302"
	TooManyUnits diag.Code = "X9101"
)

// Codes lists the codes of this package.
var Codes = []diag.Info{
	{
		Code: InvalidGroup, Severity: diag.Error, Title: "a file whose path is no group",
		Text: `The group of the units of a file is its path below the directory that was named, without .toml. It is a
part of their addresses, so its segments have the characters of names.`,
		Wrong: `
-- my files.toml --
[[service]]
name = "web"
run.exec = "/usr/bin/web"
`,
		Right: `
-- my-files.toml --
[[service]]
name = "web"
run.exec = "/usr/bin/web"
`,
	},
	{
		Code: SameGroup, Severity: diag.Error, Title: "two files of one group",
		Text: `Files in two directories that are compiled together can have the same path below them. The order of the
units, and with it that of the descriptors of a service, would depend on the order of the arguments.`,
		Wrong: `
-- base/web.toml --
[[service]]
name = "web"
run.exec = "/usr/bin/web"
-- site/web.toml --
[[service]]
name = "admin"
run.exec = "/usr/bin/admin"
`,
		Right: `
-- base/web.toml --
[[service]]
name = "web"
run.exec = "/usr/bin/web"
-- site/admin.toml --
[[service]]
name = "admin"
run.exec = "/usr/bin/admin"
`,
	},
	{
		Code: TooManyUnits, Severity: diag.Error, Title: "too many units",
		Text: `A plan has at most 1,000,000 units. Split the files into several plans.`,
	},
}

// Catalog returns what is known about every code, sorted by code.
func Catalog() []diag.Info { return slices.Clone(catalog()) }

// Lookup returns what is known about a code.
func Lookup(code diag.Code) (diag.Info, bool) {
	all := catalog()
	i, ok := slices.BinarySearchFunc(all, code, func(i diag.Info, c diag.Code) int { return cmp.Compare(i.Code, c) })
	if !ok {
		return diag.Info{}, false
	}
	return all[i], true
}

var catalog = sync.OnceValue(func() []diag.Info {
	all := slices.Concat(diag.Codes, resolve.Codes, typing.Codes, action.Codes, Codes)
	for _, r := range check.Rules() {
		all = append(all, diag.Info{Code: r.Code, Severity: r.Severity, Title: r.Title, Text: r.Text, Wrong: r.Example, Right: r.Right, Strict: r.Strict})
	}
	slices.SortFunc(all, func(a, b diag.Info) int { return cmp.Compare(a.Code, b.Code) })
	return all
})
