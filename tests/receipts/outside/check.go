// Checks a log with Go's own packages for checksum databases: note, tiles, inclusion, consistency, proof file.
//
//	check LOG VKEY OLD_CHECKPOINT PROOF ENTRY_IN_HEX
package main

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type folder string

func (f folder) Height() int { return 8 }

func (f folder) SaveTiles(tiles []tlog.Tile, data [][]byte) {}

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		data, err := os.ReadFile(filepath.Join(string(f), strings.Replace(tile.Path(), "tile/8/", "tile/", 1)))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func open(text []byte, verifier note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("no checkpoint of %s", verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	hash, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: hash}, err
}

func readProof(text string) (index int64, path tlog.RecordProof, checkpoint string, err error) {
	head, checkpoint, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	if len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return 0, nil, "", fmt.Errorf("no proof file")
	}
	if index, err = strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64); err != nil {
		return 0, nil, "", err
	}
	for _, line := range lines[2:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return 0, nil, "", err
		}
		path = append(path, hash)
	}
	return index, path, checkpoint, nil
}

func check(log, vkey, old, proof, entry string) error {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	now, err := os.ReadFile(filepath.Join(log, "checkpoint"))
	if err != nil {
		return err
	}
	tree, err := open(now, verifier)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	reader := tlog.TileHashReader(tree, folder(log))

	before, err := os.ReadFile(old)
	if err != nil {
		return err
	}
	older, err := open(before, verifier)
	if err != nil {
		return fmt.Errorf("older checkpoint: %w", err)
	}
	grown, err := tlog.ProveTree(tree.N, older.N, reader)
	if err != nil {
		return fmt.Errorf("tiles: %w", err)
	}
	if err := tlog.CheckTree(grown, tree.N, tree.Hash, older.N, older.Hash); err != nil {
		return fmt.Errorf("consistency: %w", err)
	}

	text, err := os.ReadFile(proof)
	if err != nil {
		return err
	}
	index, path, checkpoint, err := readProof(string(text))
	if err != nil {
		return fmt.Errorf("proof: %w", err)
	}
	proved, err := open([]byte(checkpoint), verifier)
	if err != nil {
		return fmt.Errorf("proof's checkpoint: %w", err)
	}
	raw, err := hex.DecodeString(entry)
	if err != nil {
		return err
	}
	leaf := tlog.RecordHash(raw)
	if err := tlog.CheckRecord(path, proved.N, proved.Hash, index, leaf); err != nil {
		return fmt.Errorf("inclusion: %w", err)
	}
	own, err := tlog.ProveRecord(tree.N, index, reader)
	if err != nil {
		return fmt.Errorf("tiles: %w", err)
	}
	if err := tlog.CheckRecord(own, tree.N, tree.Hash, index, leaf); err != nil {
		return fmt.Errorf("inclusion by tiles: %w", err)
	}
	fmt.Printf("%d %d %s\n", tree.N, index, base64.StdEncoding.EncodeToString(tree.Hash[:]))
	return nil
}

func main() {
	if err := check(os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
