package image

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Layer is an ordered list of entries; a later entry with the same path wins.
type Layer []Entry

// Entry is one file, folder or link of a layer.
type Entry struct {
	// Path inside the image, without a leading slash.
	Path string
	// Source is a file or folder of this machine; a folder is taken with all that it holds.
	Source string
	// Exclude lists paths below Source that are left out, in the form of path.Match.
	Exclude []string
	// Content is the file's text when there is no Source.
	Content string
	// Link makes the entry a symbolic link to this target.
	Link string
	// Dir makes the entry an empty folder.
	Dir bool
	// Mode is the permission bits; 0 means those of Source, or 0755 for a folder and 0644 for Content.
	Mode fs.FileMode
}

// Write writes the layer as a tar archive.
func (l Layer) Write(w io.Writer) error {
	t := tar.NewWriter(w)
	for _, e := range l {
		if err := e.write(t); err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
	}
	return t.Close()
}

func (e Entry) write(t *tar.Writer) error {
	mode := func(otherwise int64) int64 {
		if e.Mode != 0 {
			return int64(e.Mode)
		}
		return otherwise
	}
	switch {
	case e.Source != "":
		return e.writeSource(t)
	case e.Link != "":
		return t.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: e.Path, Linkname: e.Link, Mode: 0o777})
	case e.Dir:
		return t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: e.Path + "/", Mode: mode(0o755)})
	}
	if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: e.Path, Mode: mode(0o644), Size: int64(len(e.Content))}); err != nil {
		return err
	}
	_, err := io.WriteString(t, e.Content)
	return err
}

func (e Entry) writeSource(t *tar.Writer) error {
	return filepath.WalkDir(e.Source, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(e.Source, p)
		if err != nil {
			return err
		}
		if e.excluded(rel) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		return e.writeFile(t, p, strings.TrimPrefix(path.Join(e.Path, filepath.ToSlash(rel)), "/"))
	})
}

func (e Entry) excluded(rel string) bool {
	return slices.ContainsFunc(e.Exclude, func(pattern string) bool {
		ok, _ := path.Match(pattern, rel)
		return ok
	})
}

func (e Entry) writeFile(t *tar.Writer, file, name string) error {
	info, err := os.Lstat(file)
	if err != nil {
		return err
	}
	if name == "" || name == "." || info.Mode()&(fs.ModeSocket|fs.ModeDevice|fs.ModeNamedPipe) != 0 {
		return nil
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(file); err != nil {
			return err
		}
	}
	h, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	h.Name = name
	if info.IsDir() {
		h.Name += "/"
	}
	// Names and times of the building machine would make the same content a different image.
	h.Uname, h.Gname, h.Format = "", "", tar.FormatPAX
	h.AccessTime, h.ChangeTime, h.ModTime = epoch, epoch, epoch
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		h.Uid, h.Gid = int(st.Uid), int(st.Gid)
	}
	if e.Mode != 0 && info.Mode().IsRegular() {
		h.Mode, h.Uid, h.Gid = int64(e.Mode), 0, 0
	}
	if err := t.WriteHeader(h); err != nil || !info.Mode().IsRegular() {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(t, f)
	return err
}
