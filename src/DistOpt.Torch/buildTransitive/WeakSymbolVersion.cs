// Compiled twice: by MSBuild as an inline task (DistOpt.Torch.targets; netstandard 2.0 only, so no spans), and by the tests.
#nullable disable
using System;
using System.IO;
using System.Text;

namespace DistOpt.Build;

/// <summary>
/// Marks one symbol version that a shared library demands of another as weak (<c>VER_FLG_WEAK</c> in the <c>vna_flags</c> of its
/// Vernaux entry), so that the loader no longer refuses the library where that version is missing. Only done when no relocation
/// uses a symbol of that version: otherwise the library really needs it. Linux Standard Base, "Symbol Versioning"; System V ABI.
/// </summary>
public static class WeakSymbolVersion
{
    private const ushort WeakFlag = 2;
    private const int ProgramHeaderSize = 56;

    /// <summary>
    /// Returns a changed copy of <paramref name="image"/>, or null where there is nothing to change; <paramref name="finding"/>
    /// says why. <paramref name="used"/> is true when a relocation needs the version, so that the library was left as it is.
    /// </summary>
    /// <exception cref="InvalidDataException">The image is an x86-64 ELF file but truncated or damaged.</exception>
    public static byte[] Apply(byte[] image, string library, string version, out string finding, out bool used)
    {
        used = false;
        if (image.Length < 4 || image[0] != 0x7f || image[1] != 'E' || image[2] != 'L' || image[3] != 'F')
            throw new InvalidDataException("not an ELF file");
        if (image.Length < 64) throw new InvalidDataException("truncated ELF header: " + image.Length + " bytes of 64");
        if (image[4] != 2 || image[5] != 1 || BitConverter.ToUInt16(image, 18) != 62)
        {
            finding = "not a 64-bit little-endian x86-64 library: left as it is";
            return null;
        }
        var elf = new DynamicSection(image);
        if (elf.VersionNeeds == 0)
        {
            finding = "demands no symbol versions";
            return null;
        }
        long entry = FindEntry(elf, library, version);
        if (entry < 0)
        {
            finding = "does not demand " + version + " of " + library;
            return null;
        }
        ushort flags = elf.UInt16(entry + 4);
        if ((flags & WeakFlag) != 0)
        {
            finding = version + " is weak already";
            return null;
        }
        string symbol = FindUse(elf, elf.UInt16(entry + 6));
        if (symbol != null)
        {
            used = true;
            finding = "really needs " + version + " of " + library + " (symbol " + symbol + ")";
            return null;
        }
        var changed = (byte[])image.Clone();
        changed[entry + 4] = (byte)(flags | WeakFlag);
        finding = version + " of " + library + " made weak";
        return changed;
    }

    /// <summary>
    /// Writes <paramref name="source"/>, changed where needed, to <paramref name="destination"/>: under a temporary name first, then
    /// renamed, so that the destination is never half-written and a hard link to another file is replaced, not written through.
    /// </summary>
    public static void Write(
        string source, string destination, string library, string version, out string finding, out bool used)
    {
        byte[] image = File.ReadAllBytes(source);
        byte[] result = Apply(image, library, version, out finding, out used) ?? image;
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(destination)));
        string temporary = destination + "." + Guid.NewGuid().ToString("N") + ".tmp";
        try
        {
            File.WriteAllBytes(temporary, result);
            if (File.Exists(destination)) File.Delete(destination);
            File.Move(temporary, destination);
        }
        finally
        {
            if (File.Exists(temporary)) File.Delete(temporary);
        }
    }

    /// <summary>File offset of the Vernaux entry, or -1.</summary>
    private static long FindEntry(DynamicSection elf, string library, string version)
    {
        long need = elf.VersionNeeds;
        for (ulong i = 0; i < elf.VersionNeedCount; i++)
        {
            long aux = elf.Advance(need, elf.UInt32(need + 8));
            int count = elf.UInt16(need + 2);
            bool wanted = elf.Text(elf.UInt32(need + 4)) == library;
            for (int k = 0; k < count; k++)
            {
                if (elf.UInt16(aux + 4) > 7) throw new InvalidDataException("damaged version entry at offset " + aux);
                if (wanted && elf.Text(elf.UInt32(aux + 8)) == version) return aux;
                uint nextAux = elf.UInt32(aux + 12);
                if (nextAux == 0) break;
                aux = elf.Advance(aux, nextAux);
            }
            uint next = elf.UInt32(need + 12);
            if (next == 0) break;
            need = elf.Advance(need, next);
        }
        return -1;
    }

    /// <summary>Name of a symbol of that version which a relocation refers to, or null.</summary>
    private static string FindUse(DynamicSection elf, ushort versionIndex)
    {
        foreach (var table in new[] { elf.Relocations, elf.PltRelocations })
        {
            for (long at = table.Offset; at < table.Offset + table.Size; at += 24)
            {
                long symbol = elf.UInt32(at + 12);
                if (symbol == 0) continue;
                if ((elf.UInt16(elf.SymbolVersions + 2 * symbol) & 0x7fff) == versionIndex)
                    return elf.Text(elf.UInt32(elf.Symbols + 24 * symbol));
            }
        }
        return null;
    }

    /// <summary>The tables that the loader itself uses, by file offset; every read is checked against the file's length.</summary>
    private sealed class DynamicSection
    {
        private readonly byte[] _image;
        private readonly long _programHeaders;
        private readonly int _programHeaderCount;
        private readonly long _strings;
        private readonly ulong _stringsSize;

        public DynamicSection(byte[] image)
        {
            _image = image;
            _programHeaders = Offset(UInt64(32));
            _programHeaderCount = UInt16(56);
            if (UInt16(54) != ProgramHeaderSize) throw new InvalidDataException("program headers of " + UInt16(54) + " bytes");

            long start = -1, size = 0;
            for (int i = 0; i < _programHeaderCount; i++)
            {
                long header = _programHeaders + i * ProgramHeaderSize;
                if (UInt32(header) != 2) continue;
                start = Offset(UInt64(header + 8));
                size = Offset(UInt64(header + 32));
            }
            if (start < 0) return;

            ulong strings = 0, needs = 0, symbols = 0, versions = 0, rela = 0, relaSize = 0, plt = 0, pltSize = 0;
            for (long at = start; at + 16 <= start + size; at += 16)
            {
                ulong value = UInt64(at + 8);
                ulong tag = UInt64(at);
                if (tag == 0) break;
                switch (tag)
                {
                    case 2: pltSize = value; break;
                    case 5: strings = value; break;
                    case 6: symbols = value; break;
                    case 7: rela = value; break;
                    case 8: relaSize = value; break;
                    case 10: _stringsSize = value; break;
                    case 23: plt = value; break;
                    case 0x6ffffff0: versions = value; break;
                    case 0x6ffffffe: needs = value; break;
                    case 0x6fffffff: VersionNeedCount = value; break;
                }
            }
            if (needs == 0) return;
            VersionNeeds = FileOffset(needs);
            _strings = FileOffset(strings);
            Symbols = FileOffset(symbols);
            SymbolVersions = FileOffset(versions);
            Relocations = Table(rela, relaSize);
            PltRelocations = Table(plt, pltSize);
        }

        public long VersionNeeds { get; }
        public ulong VersionNeedCount { get; }
        public long Symbols { get; }
        public long SymbolVersions { get; }
        public (long Offset, long Size) Relocations { get; }
        public (long Offset, long Size) PltRelocations { get; }

        public ushort UInt16(long at) => BitConverter.ToUInt16(_image, Check(at, 2));
        public uint UInt32(long at) => BitConverter.ToUInt32(_image, Check(at, 4));
        public ulong UInt64(long at) => BitConverter.ToUInt64(_image, Check(at, 8));

        public long Advance(long at, uint step)
        {
            Check(at + step, 16);
            return at + step;
        }

        public string Text(uint index)
        {
            if (index >= _stringsSize) throw new InvalidDataException("string index " + index + " beyond a table of " + _stringsSize);
            int start = Check(_strings + index, 1), end = start;
            while (end < _image.Length && _image[end] != 0) end++;
            if (end == _image.Length) throw new InvalidDataException("string without end at offset " + start);
            return Encoding.ASCII.GetString(_image, start, end - start);
        }

        private (long Offset, long Size) Table(ulong address, ulong size)
        {
            if (address == 0 || size == 0) return (0, 0);
            long offset = FileOffset(address), length = Offset(size);
            if (length % 24 != 0 || offset + length > _image.Length)
                throw new InvalidDataException("relocations of " + length + " bytes at offset " + offset);
            return (offset, length);
        }

        private long FileOffset(ulong address)
        {
            for (int i = 0; i < _programHeaderCount; i++)
            {
                long header = _programHeaders + i * ProgramHeaderSize;
                ulong begin = UInt64(header + 16), length = UInt64(header + 32);
                if (UInt32(header) == 1 && address >= begin && address - begin < length)
                    return Offset(UInt64(header + 8) + (address - begin));
            }
            throw new InvalidDataException("address 0x" + address.ToString("x") + " lies in no loaded segment");
        }

        private long Offset(ulong value)
        {
            if (value > (ulong)_image.Length) throw new InvalidDataException("offset " + value + " beyond " + _image.Length + " bytes");
            return (long)value;
        }

        private int Check(long at, int bytes)
        {
            if (at < 0 || at + bytes > _image.Length)
                throw new InvalidDataException("offset " + at + " beyond " + _image.Length + " bytes");
            return (int)at;
        }
    }
}

#if !DISTOPT_TESTS
/// <summary>MSBuild task round <see cref="WeakSymbolVersion"/>.</summary>
public sealed class WeakenSymbolVersion : Microsoft.Build.Utilities.Task
{
    [Microsoft.Build.Framework.Required]
    public string Source { get; set; }

    [Microsoft.Build.Framework.Required]
    public string Destination { get; set; }

    [Microsoft.Build.Framework.Required]
    public string Library { get; set; }

    [Microsoft.Build.Framework.Required]
    public string Version { get; set; }

    public override bool Execute()
    {
        try
        {
            string finding;
            bool used;
            WeakSymbolVersion.Write(Source, Destination, Library, Version, out finding, out used);
            if (used) Log.LogWarning("DistOpt: " + Source + " " + finding + "; it will not load where that is missing.");
            else Log.LogMessage("DistOpt: " + Source + ": " + finding);
        }
        catch (Exception problem) when (problem is InvalidDataException || problem is IOException || problem is UnauthorizedAccessException)
        {
            Log.LogError("DistOpt: cannot prepare " + Source + " for loading: " + problem.Message
                + ". Delete its package folder and restore again; DistOptWeakenSymbolVersion=false skips this step.");
        }
        return !Log.HasLoggedErrors;
    }
}
#endif
