package plugins_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/format"
	"math"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rind-sockets/rind/plugins"
	"github.com/rind-sockets/rind/plugins/manifest"
)

var update = flag.Bool("update", false, "rewrite builtin.go")

// TestBuiltinIsCurrent compares the values with the texts they come from, which the
// plugins embed.
func TestBuiltinIsCurrent(t *testing.T) {
	var want []*manifest.Manifest
	for _, name := range []string{"tcp", "udp", "uds"} {
		text, err := os.ReadFile(name + "/" + name + ".rindplugin.toml")
		if err != nil {
			t.Fatal(err)
		}
		m, err := manifest.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, m)
	}
	if *update {
		if err := os.WriteFile("builtin.go", source(t, want), 0o644); err != nil { //nolint:gosec // source code
			t.Fatal(err)
		}
		return
	}
	exported := cmp.Options{cmpopts.IgnoreUnexported(manifest.Scheme{}, manifest.Option{}), cmpopts.EquateEmpty()}
	if diff := cmp.Diff(want, plugins.Builtin(), exported); diff != "" {
		t.Errorf("builtin.go is stale: run make golden (-texts +builtin.go):\n%s", diff)
	}
}

// source returns builtin.go.
func source(t *testing.T, all []*manifest.Manifest) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString(`// Code generated from the manifests of tcp, udp and uds by make golden. DO NOT EDIT.

package plugins

import (
	"math"

	"github.com/rind-sockets/rind/plugins/manifest"
)

func builtin() []*manifest.Manifest {
	return `)
	write(&b, reflect.ValueOf(all))
	b.WriteString("\n}\n")
	text, err := format.Source(b.Bytes())
	if err != nil {
		t.Fatalf("%v in:\n%s", err, &b)
	}
	return text
}

// write writes a value as Go does, without what is zero or not exported.
func write(b *bytes.Buffer, v reflect.Value) {
	switch v.Kind() { //nolint:exhaustive // a manifest has no others, but bool and int
	case reflect.Pointer:
		write(b, v.Elem())
	case reflect.String:
		if s := v.String(); strings.Contains(s, `\`) && strconv.CanBackquote(s) {
			b.WriteString("`" + s + "`")
		} else {
			b.WriteString(strconv.Quote(s))
		}
	case reflect.Int64:
		switch v.Int() {
		case math.MaxInt64:
			b.WriteString("math.MaxInt64")
		case math.MinInt64:
			b.WriteString("math.MinInt64")
		default:
			fmt.Fprint(b, v.Int())
		}
	case reflect.Slice:
		fmt.Fprintf(b, "%s{", v.Type())
		elements(b, v)
		b.WriteString("}")
	case reflect.Map:
		fmt.Fprintf(b, "%s{", v.Type())
		keys := v.MapKeys()
		slices.SortFunc(keys, func(x, y reflect.Value) int { return strings.Compare(x.String(), y.String()) })
		for _, k := range keys {
			fmt.Fprintf(b, "%q: ", k.String())
			fields(b, v.MapIndex(k))
			b.WriteString(",")
		}
		b.WriteString("}")
	case reflect.Struct:
		b.WriteString(v.Type().String())
		fields(b, v)
	default:
		fmt.Fprint(b, v.Interface())
	}
}

// elements writes the elements of a slice, structs without their type and on lines of
// their own.
func elements(b *bytes.Buffer, v reflect.Value) {
	for i := range v.Len() {
		e := reflect.Indirect(v.Index(i))
		if e.Kind() == reflect.Struct {
			b.WriteString("\n")
			fields(b, e)
		} else {
			write(b, e)
		}
		b.WriteString(",")
	}
	if v.Len() > 0 && reflect.Indirect(v.Index(0)).Kind() == reflect.Struct {
		b.WriteString("\n")
	}
}

func fields(b *bytes.Buffer, v reflect.Value) {
	b.WriteString("{")
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || v.Field(i).IsZero() {
			continue
		}
		if f.Type.Kind() == reflect.Slice && reflect.Indirect(reflect.New(f.Type.Elem())).Kind() == reflect.Struct {
			b.WriteString("\n")
		}
		b.WriteString(f.Name + ": ")
		write(b, v.Field(i))
		b.WriteString(",")
	}
	b.WriteString("}")
}
