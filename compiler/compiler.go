// Package compiler turns unit files into a plan. It has the pipeline and nothing
// else: decode, resolve, check, apply the policy, lower.
package compiler

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rind-sockets/rind/compiler/check"
	"github.com/rind-sockets/rind/compiler/decode"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/lower"
	"github.com/rind-sockets/rind/compiler/policy"
	"github.com/rind-sockets/rind/compiler/resolve"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plugins"
	"github.com/rind-sockets/rind/plugins/manifest"
)

// MaxUnits is how many units all files may have together (SPEC §2 rule 8).
const MaxUnits = 1_000_000

// Stdin is the name of the input that was read from standard input.
const Stdin = "-"

// Input is one unit file.
type Input struct {
	Name  string // as diagnostics show it
	Group string // the group of its units: the path below the units root without .toml
	Text  []byte
}

// Options are the options of a compilation.
type Options struct {
	Compiler string // name and version of the program, for the plan

	// Unread lists the groups whose file could not be read, with a slash at the
	// end for a directory of groups and "/" for all of them. A name that they may
	// define is not reported as unknown.
	Unread []string

	// Plugins are the manifests of the lock file.
	Plugins []*manifest.Manifest

	// Strict also reports what is not wrong everywhere, see [check.Options].
	Strict bool

	// Policy decides which findings count.
	Policy policy.Policy

	// CheckOnly leaves out what only the plan needs: there is none.
	CheckOnly bool
}

// Result is what a compilation found.
type Result struct {
	Plan  *plan.Plan // nil when Diags has errors, and with CheckOnly
	Diags *diag.List
	Units int // how many units the files have

	// Suppressed is what comments in the files keep out of Diags.
	Suppressed []diag.Suppressed

	// Locate finds the places of Diags in their files. It has one user at a time.
	Locate func(source.Place) source.Span
}

// Compile compiles unit files. The result does not depend on the order of the
// inputs; definition order is that of the groups, and of the units in a file.
func Compile(inputs []Input, opts Options) Result {
	inputs = slices.Clone(inputs)
	slices.SortStableFunc(inputs, func(a, b Input) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Name, b.Name))
	})
	index := &decode.Index{}
	res := Result{Diags: &diag.List{}, Locate: index.Locate}

	files, gaps := decodeAll(inputs, index, res.Diags)
	for _, group := range opts.Unread {
		gaps = append(gaps, resolve.Gap{Group: group})
	}
	res.Units = count(files)
	checkInputs(inputs, files, res.Units, res.Diags)
	if res.Units > MaxUnits {
		return res
	}
	// Most of the checks have one processor, and need nothing that this changes: the
	// lines of the files come into it with the policy.
	var sources []plan.Source
	var beside sync.WaitGroup
	if !opts.CheckOnly {
		beside.Go(func() { sources = sourcesOf(inputs, files) })
	}
	table := resolve.New(files, gaps, res.Diags)
	program := check.Check(table, slices.Concat(plugins.Builtin(), opts.Plugins), check.Options{Strict: opts.Strict, Each: together}, res.Diags)
	beside.Wait()
	context := policy.Context{Find: index, Lookup: Lookup, Partial: len(opts.Unread) > 0, Strict: opts.Strict}
	for _, f := range files {
		context.Files = append(context.Files, f.Source)
	}
	res.Diags, res.Suppressed = opts.Policy.Apply(res.Diags, context)
	if opts.CheckOnly || res.Diags.Errors() > 0 {
		return res
	}
	res.Plan = lower.Lower(program, opts.Compiler)
	res.Plan.Sources = sources
	return res
}

// together calls do for 0 to n-1 at the same time.
func together(n int, do func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

// planName is the name of an input in the plan. It comes from the group, so that
// the plan is the same wherever the units root is.
func planName(in Input) string {
	if in.Name == Stdin {
		return Stdin
	}
	return in.Group + ".toml"
}

// sourcesOf returns what the plan says of the files.
func sourcesOf(inputs []Input, files []*unit.File) []plan.Source {
	out := make([]plan.Source, len(files))
	for i, f := range files {
		out[i] = lower.Source(planName(inputs[i]), f)
	}
	return out
}

// decodeAll decodes the inputs with one worker for each processor. It returns
// the files in the order of the inputs, and where units of them are missing.
func decodeAll(inputs []Input, index *decode.Index, ds *diag.List) (files []*unit.File, gaps []resolve.Gap) {
	files = make([]*unit.File, len(inputs))
	decoded := make([]decode.Decoded, len(inputs))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(inputs)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(inputs); i = int(next.Add(1)) - 1 {
				in := inputs[i]
				decoded[i] = decode.Decode(&source.File{Name: in.Name, Text: in.Text}, in.Group)
			}
		})
	}
	workers.Wait()
	for i, d := range decoded {
		files[i] = d.File
		index.Keep(d)
		ds.Append(d.Diags)
		if d.Diags.Errors() > 0 {
			gaps = append(gaps, gapsOf(d.File, d.Diags, index)...)
		}
	}
	return files, gaps
}

// gapsOf returns what a file with errors lacks: everything when it could not be
// read to its end, else the kinds of which it has more headers than units.
func gapsOf(f *unit.File, ds *diag.List, index *decode.Index) []resolve.Gap {
	if slices.ContainsFunc(ds.All(), hidesUnits) {
		return []resolve.Gap{{Group: f.Group}}
	}
	var gaps []resolve.Gap
	for _, kind := range f.Misnamed {
		gaps = append(gaps, resolve.Gap{Group: f.Group, Kind: kind})
	}
	for kind, n := range map[string]int{
		"socket": len(f.Sockets), "service": len(f.Services), "state": len(f.States),
		"signal": len(f.Signals), "timer": len(f.Timers), "permission": len(f.Permissions), "variable": len(f.Variables),
	} {
		if index.HeaderLine(f.Source, kind, n) > 0 {
			gaps = append(gaps, resolve.Gap{Group: f.Group, Kind: kind})
		}
	}
	return gaps
}

// hidesUnits reports whether d may hide units of its file: it is about the file
// as a whole, or about units that are not written as such.
func hidesUnits(d diag.Diagnostic) bool {
	return strings.HasPrefix(string(d.Code), "X") ||
		slices.Contains([]diag.Code{diag.NotText, diag.SingleTable, diag.NewerSpelling, diag.UnknownKind}, d.Code)
}

func count(files []*unit.File) int {
	n := 0
	for _, f := range files {
		n += f.Len()
	}
	return n
}

// checkInputs checks what is about files as a whole.
func checkInputs(inputs []Input, files []*unit.File, units int, ds *diag.List) {
	for i, in := range inputs {
		whole := source.Span{File: files[i].Source}
		if err := plan.MakeName(in.Group, "x").Check(); err != nil {
			ds.Add(diag.Diagnostic{
				Code: InvalidGroup, Severity: diag.Error, Span: whole,
				Message: fmt.Sprintf("the path of the file cannot be a group: %v", cmp.Or(errors.Unwrap(err), err)),
				Help:    "rename the file: directories and the name have A-Z a-z 0-9 _ . - only",
			})
		}
		if i > 0 && inputs[i-1].Group == in.Group {
			ds.Add(diag.Diagnostic{
				Code: SameGroup, Severity: diag.Error, Span: whole,
				Message: fmt.Sprintf("files %s and %s are both the group %q", inputs[i-1].Name, in.Name, in.Group),
				Help:    "rename one of the files, or move both into one",
				Labels:  []diag.Label{{Span: source.Span{File: files[i-1].Source}, Message: "the other file"}},
			})
		}
	}
	if units > MaxUnits {
		ds.Add(diag.Diagnostic{
			Code: TooManyUnits, Severity: diag.Error,
			Message: fmt.Sprintf("the files have %d units, at most %d are allowed", units, MaxUnits),
			Help:    "split them into several plans",
		})
	}
}
