// Package nofile knows the soft limit of open files that this process was
// started with.
//
// The syscall package of Go raises the soft limit to the hard limit while it is
// initialized, and keeps the old value to itself. A service must not inherit
// the raised limit: programs that use select(2), or that close every possible
// descriptor one by one, break under it. So the value is read before that
// happens. The language specification makes this possible ("Package
// initialization"): packages are initialized in the order of their import
// paths, as soon as what they import is. This package imports nothing and its
// path is less than "syscall"; an import would break it, and so would a module
// path that sorts later. A test of package proc checks the value.
package nofile
