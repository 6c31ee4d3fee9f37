// Package e2e has the end-to-end tests: they drive the built programs as a user
// does, and look at services and sockets from outside. What the test programs
// below this folder share with the tests is here too.
package e2e
