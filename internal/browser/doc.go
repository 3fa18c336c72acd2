// Package browser has no code, only tests: of the live page of package health, in a real Chromium. It is a module of its own,
// so that nobody who uses the library gets what it takes to drive a browser.
//
// The tests need chromium, chromium-browser or google-chrome on the PATH. One browser serves them all, a tab each. With
// POOLSQL_SCREENSHOTS set to a folder they leave there what they saw.
package browser
