// Package traffic sends requests to an app whose traffic is split, records
// what became of each one, and judges whether the counts per subset fit the
// split.
//
// Run sends the requests, one Result each. A Tally adds the results up, and
// Tally.Judge compares them with a Split. Package relay gives mesh traffic a
// way in; package report prints.
package traffic
