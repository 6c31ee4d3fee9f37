package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rind-sockets/rind/compiler"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/diag/render"
	"github.com/rind-sockets/rind/compiler/policy"
	"github.com/rind-sockets/rind/plugins/lock"
)

// errorLimit is how many diagnostics the format text shows unless told otherwise.
const errorLimit = 50

// allWarnings is the word for --deny that is no code.
const allWarnings = "warnings"

// reporting is what the command line says about diagnostics.
type reporting struct {
	formatName  string
	limit       int
	allow, deny []string
	stdinName   string
	lock        string
	strict      bool

	// These follow from the above.
	format render.Format
	policy policy.Policy
}

func (o *reporting) register(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.formatName, "format", render.Formats[0].Name, "`FORMAT` of what is wrong: "+strings.Join(render.Names(), ", "))
	f.IntVar(&o.limit, "error-limit", errorLimit, "show at most `N` diagnostics in the format text, 0 for all")
	f.StringSliceVar(&o.allow, "allow", nil, "`CODES` of warnings and notes that are not reported")
	f.StringSliceVar(&o.deny, "deny", nil, "`CODES` that are errors, or warnings for all of them")
	f.StringVar(&o.stdinName, "stdin-filename", "", "unit `FILE` whose content is on standard input, for -")
	f.StringVar(&o.lock, "lock", "", "lock `FILE` of transport plugins; default: "+lock.FileName+" in or beside the directory of the units")
	f.BoolVar(&o.strict, "strict", false, "also report what is not wrong everywhere, and notes as warnings")
	complete(c, "format", render.Names)
	complete(c, "allow", codeNames)
	complete(c, "deny", func() []string { return append([]string{allWarnings}, codeNames()...) })
}

// complete makes the shell offer words for a flag.
func complete(c *cobra.Command, flag string, words func() []string) {
	//nolint:errcheck // it fails for a flag that does not exist, and then there is nothing to complete
	c.RegisterFlagCompletionFunc(flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return words(), cobra.ShellCompDirectiveNoFileComp
	})
}

func codeNames() []string {
	var names []string
	for _, i := range compiler.Catalog() {
		names = append(names, string(i.Code))
	}
	return names
}

// parse checks the flags.
func (o *reporting) parse(paths []string) error {
	var ok bool
	if o.format, ok = render.Find(o.formatName); !ok {
		return fmt.Errorf("there is no format %q: the formats are %s", o.formatName, strings.Join(render.Names(), ", "))
	}
	if o.limit < 0 {
		return fmt.Errorf("--error-limit is %d: it must not be negative", o.limit)
	}
	if o.stdinName != "" && !slices.Contains(paths, compiler.Stdin) {
		return errors.New("--stdin-filename is for the path -, which is not there")
	}
	for _, word := range o.allow {
		info, err := findCode("--allow", word)
		if err != nil {
			return err
		}
		if !info.Ignorable() {
			return fmt.Errorf("--allow %s: this error cannot be allowed: the units have no meaning with it", word)
		}
		o.policy.Allow = append(o.policy.Allow, info.Code)
	}
	for _, word := range o.deny {
		if word == allWarnings {
			o.policy.DenyWarnings = true
			continue
		}
		info, err := findCode("--deny", word)
		if err != nil {
			return err
		}
		if slices.Contains(o.policy.Allow, info.Code) {
			return fmt.Errorf("%s is both allowed and denied", info.Code)
		}
		o.policy.Deny = append(o.policy.Deny, info.Code)
	}
	return nil
}

// findCode returns the row of a code that the command line names.
func findCode(what, word string) (diag.Info, error) {
	if info, ok := compiler.Lookup(diag.Code(strings.ToUpper(word))); ok {
		return info, nil
	}
	hint := "`rindc explain` lists the codes"
	if near, ok := diag.Nearest(word, codeNames()); ok {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	return diag.Info{}, fmt.Errorf("%s: there is no code %q: %s", what, word, hint)
}

// compilation is what comes of unit files.
type compilation struct {
	compiler.Result

	found []diag.Diagnostic // Diags, sorted
	files []string          // names, sorted
	errs  []error           // of reading
}

func (e env) newLoader(o reporting) *loader {
	return &loader{stdin: e.stdin, stdinName: o.stdinName, lock: o.lock}
}

// newCompilation reads and compiles the unit files.
func (e env) newCompilation(paths []string, o reporting) compilation {
	l := e.newLoader(o)
	l.load(paths)
	return l.compile(o)
}

// compile compiles what was read.
func (l *loader) compile(o reporting) compilation { return l.run(o, false) }

// check is compile without the plan.
func (l *loader) check(o reporting) compilation { return l.run(o, true) }

func (l *loader) run(o reporting, checkOnly bool) compilation {
	inputs := l.inputs()
	c := compilation{errs: l.errs, files: make([]string, len(inputs))}
	text := 0
	for i, in := range inputs {
		c.files[i] = in.Name
		text += len(in.Text)
	}
	slices.Sort(c.files)
	makeRoom(text)
	c.Result = compiler.Compile(inputs, compiler.Options{
		Compiler: "rindc " + version, Unread: l.unread, Plugins: l.plugins, Strict: o.strict, Policy: o.policy, CheckOnly: checkOnly,
	})
	c.found = diag.Sorted(c.Diags.All(), c.Locate)
	slices.SortFunc(c.Suppressed, func(a, b diag.Suppressed) int {
		x, y := a.Where(c.Locate), b.Where(c.Locate)
		return cmp.Or(cmp.Compare(x.File.Name, y.File.Name), cmp.Compare(x.Start, y.Start), cmp.Compare(a.Code, b.Code))
	})
	return c
}

// err returns the error for what is left of the diagnostics of c.
func (c compilation) err(ds []diag.Diagnostic) error {
	switch {
	case len(c.errs) > 0: // it says more than the errors that follow from it
		return failed(errors.Join(c.errs...))
	case slices.ContainsFunc(ds, func(d diag.Diagnostic) bool { return d.Severity == diag.Error }):
		return &statusError{status: statusInvalid}
	}
	return nil
}

// report writes what is wrong.
func (e env) report(w io.Writer, ds []diag.Diagnostic, c compilation, o reporting) error {
	err := o.format.Write(w, render.Report{
		Version: version, Files: c.files, Diags: ds, Suppressed: c.Suppressed, Locate: c.Locate, Lookup: compiler.Lookup,
		Text: render.TextOptions{Color: e.color, Limit: o.limit, Hint: "`rindc check --fix` can correct %d"},
	})
	if err != nil {
		return failed(fmt.Errorf("write diagnostics: %w", err))
	}
	return nil
}

// compile reads and compiles the unit files and shows what is wrong with them.
// Without an error there is a plan.
func (e env) compile(paths []string) (compiler.Result, error) {
	o := reporting{format: render.Formats[0], limit: errorLimit}
	c := e.newCompilation(paths, o)
	if err := e.report(e.stderr, c.found, c, o); err != nil {
		return c.Result, err
	}
	return c.Result, c.err(c.found)
}
