package main

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rind-sockets/rind/compiler"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/diag/render"
	"github.com/rind-sockets/rind/compiler/scenario"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/plan"
)

// testOptions are the flags of test.
type testOptions struct {
	format   string
	run      string
	verbose  bool
	coverage bool
	least    float64
}

func (e env) testCommand() *cobra.Command {
	var o testOptions
	c := &cobra.Command{
		Use:   "test PATH... [-- SCENARIO...]",
		Short: "run scenarios against unit files",
		Long: `Compiles unit files and runs scenarios: what happens when states change, sockets
are accessed, services exit and time passes. The engine is that of rindrun; no
socket is opened and no program runs.

Without names behind --, every *.scenario file beside the unit files is run. The
exit status is 1 when a scenario fails. docs/scenarios.md describes the files.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if at := c.ArgsLenAtDash(); at >= 0 {
				return e.test(args[:at], args[at:], o)
			}
			return e.test(args, nil, o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.format, "format", scenario.Formats[0], "`FORMAT` of the report: "+strings.Join(scenario.Formats, ", "))
	f.StringVar(&o.run, "run", "", "run only scenarios whose title matches the regular expression `RE2`")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "also show what happens in scenarios that pass")
	f.BoolVar(&o.coverage, "coverage", false, "list conditions and triggers that no scenario has made true or false")
	f.Float64Var(&o.least, "min-coverage", 0, "fail if less than `PERCENT` of them is covered")
	complete(c, "format", func() []string { return scenario.Formats })
	return c
}

// scenarioFile is a scenario file and the group whose units it names first.
type scenarioFile struct{ name, group string }

func (e env) test(paths, named []string, o testOptions) error {
	only, err := regexp.Compile(o.run)
	switch {
	case err != nil:
		return fmt.Errorf("--run %q: %w", o.run, err)
	case !slices.Contains(scenario.Formats, o.format):
		return fmt.Errorf("there is no format %q: the formats are %s", o.format, strings.Join(scenario.Formats, ", "))
	case len(paths) == 0:
		return errors.New("name the unit files before --")
	}
	r := reporting{format: render.Formats[0], limit: errorLimit}
	l := e.newLoader(r)
	var files []scenarioFile
	l.scenarios = func(name, group string) { files = append(files, scenarioFile{name, group}) }
	l.load(paths)
	if len(named) > 0 {
		files = nil
		for _, name := range named {
			files = append(files, scenarioFile{name, groupBelow(paths, name)})
		}
	}
	c := l.compile(r)
	if err := e.report(e.stderr, slices.DeleteFunc(c.found, isNoError), c, r); err != nil {
		return err
	}
	if err := c.err(c.found); err != nil {
		return err
	}
	if len(files) == 0 {
		return failed(fmt.Errorf("there is no %s file beside the unit files", scenario.Extension))
	}
	list, err := e.readScenarios(files, c.Plan)
	if err != nil {
		return err
	}
	return e.runScenarios(slices.DeleteFunc(list, func(s *scenario.Scenario) bool { return !only.MatchString(s.Title) }), c, o)
}

// isNoError reports whether d is of no interest to somebody who runs scenarios.
func isNoError(d diag.Diagnostic) bool { return d.Severity != diag.Error }

// groupBelow returns the group of a unit file in the place of a scenario file.
func groupBelow(paths []string, name string) string {
	below := filepath.Base(name)
	for _, p := range paths {
		if rel, err := filepath.Rel(p, name); err == nil && filepath.IsLocal(rel) && rel != "." {
			below = filepath.ToSlash(rel)
			break
		}
	}
	return strings.TrimSuffix(below, scenario.Extension)
}

// readScenarios reads scenario files. Nothing is run if one of them is wrong.
func (e env) readScenarios(files []scenarioFile, p *plan.Plan) ([]*scenario.Scenario, error) {
	slices.SortFunc(files, func(a, b scenarioFile) int { return strings.Compare(a.name, b.name) })
	files = slices.CompactFunc(files, func(a, b scenarioFile) bool { return a.name == b.name })
	var list []*scenario.Scenario
	ds := &diag.List{}
	for _, f := range files {
		text, err := readFile(f.name)
		if err != nil {
			return nil, failed(err)
		}
		list = append(list, scenario.Read(&source.File{Name: filepath.ToSlash(f.name), Text: text}, f.group, p, ds)...)
	}
	if ds.Errors() == 0 {
		return list, nil
	}
	c := compilation{Result: compiler.Result{Diags: ds, Locate: func(source.Place) source.Span { return source.Span{} }}}
	c.found = diag.Sorted(ds.All(), c.Locate)
	if err := e.report(e.stderr, c.found, c, reporting{format: render.Formats[0], limit: errorLimit}); err != nil {
		return nil, err
	}
	return nil, c.err(c.found)
}

func (e env) runScenarios(list []*scenario.Scenario, c compilation, o testOptions) error {
	report := scenario.Report{Verbose: o.verbose, Place: scenario.Places(c.Plan, c.named())}
	cover := scenario.NewCoverage(c.Plan)
	for _, s := range list {
		report.Results = append(report.Results, scenario.Run(c.Plan, s, cover))
	}
	if o.coverage || o.least > 0 {
		report.Coverage = cover
	}
	if err := report.Write(e.stdout, o.format); err != nil {
		return failed(fmt.Errorf("write the report: %w", err))
	}
	if report.Failed() > 0 {
		return &statusError{status: statusInvalid}
	}
	if percent := cover.Percent(); percent < o.least {
		return &statusError{statusInvalid, fmt.Errorf("the scenarios cover %.1f %% of conditions and triggers, less than %.1f %%", percent, o.least)}
	}
	return nil
}

// named returns a function from the name of a source in the plan to that of the
// file as it was read.
func (c compilation) named() func(string) string {
	return func(name string) string {
		for _, f := range c.files {
			if f == name || strings.HasSuffix(f, "/"+name) {
				return path.Clean(f)
			}
		}
		return name
	}
}
