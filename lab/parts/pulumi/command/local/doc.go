// Package local serves the resource command:local:Command in the offline lab.
//
// What it keeps of the real provider, because the product's scripts rely on it:
//
//   - A preview runs nothing.
//   - create runs once. When an input changes, update runs, or create again where
//     there is no update. Where there is neither, the outputs stay as they are.
//   - A changed trigger replaces the resource.
//   - delete runs as it was stored, with the stored environment and the last
//     output. Without a delete command nothing runs.
//   - A command that exits non-zero fails the operation with what it wrote. A
//     failed create leaves no state, a failed update leaves the old state.
//   - Every input is an output too. A secret input is a secret output, and stdout
//     and stderr are not secret unless the program says so.
//   - While a changed input is previewed, all outputs are unknown.
//
// What it leaves out: assetPaths and archivePaths, which are refused, the
// provider's other resources and functions, and Windows.
package local
