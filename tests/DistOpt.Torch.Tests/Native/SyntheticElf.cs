using System.Buffers.Binary;
using System.Text;

namespace DistOpt.Torch.Tests.Native;

/// <summary>
/// A minimal x86-64 shared object with what the loader reads for symbol versions: one needed library with two versions and one symbol
/// of each. Every table lies at a fixed place, so that a test can damage the one that it means.
/// </summary>
internal sealed class SyntheticElf
{
    public const int Dynamic = 64 + 2 * 56;
    public const int Strings = 0x200;
    public const int Symbols = 0x300;
    public const int Versions = 0x380;
    public const int Needs = 0x400;
    public const int FirstEntry = Needs + 16;
    public const int SecondEntry = FirstEntry + 16;
    public const int Relocations = 0x480;
    public const int Length = 0x500;

    private const ulong Base = 0x10000;
    private readonly byte[] _image = new byte[Length];

    /// <param name="library">Needed library.</param>
    /// <param name="oldVersion">Version of symbol 1, index 2.</param>
    /// <param name="newVersion">Version of symbol 2, index 3.</param>
    /// <param name="relocatedSymbol">Symbol that the only relocation refers to: 0 (none), 1 or 2.</param>
    public SyntheticElf(string library, string oldVersion, string newVersion, int relocatedSymbol = 1)
    {
        new byte[] { 0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1 }.CopyTo(_image, 0);
        Put16(16, 3);
        Put16(18, 62);
        Put64(32, 64);
        Put16(54, 56);
        Put16(56, 2);
        ProgramHeader(64, type: 1, offset: 0, address: Base, size: Length);
        ProgramHeader(64 + 56, type: 2, offset: Dynamic, address: Base + Dynamic, size: 0x100);

        var strings = new StringBuilder("\0");
        uint libraryName = Add(strings, library), oldName = Add(strings, oldVersion), newName = Add(strings, newVersion);
        uint first = Add(strings, "first_symbol"), second = Add(strings, "second_symbol");
        Encoding.ASCII.GetBytes(strings.ToString()).CopyTo(_image, Strings);

        (ulong Tag, ulong Value)[] entries =
        [
            (5, Base + Strings), (10, (ulong)strings.Length), (6, Base + Symbols), (0x6ffffff0, Base + Versions),
            (0x6ffffffe, Base + Needs), (0x6fffffff, 1), (7, Base + Relocations), (8, 24), (0, 0),
        ];
        for (int i = 0; i < entries.Length; i++)
        {
            Put64(Dynamic + 16 * i, entries[i].Tag);
            Put64(Dynamic + 16 * i + 8, entries[i].Value);
        }
        Put32(Symbols + 24, first);
        Put32(Symbols + 48, second);
        Put16(Versions + 2, 2);
        Put16(Versions + 4, 3);

        Put16(Needs, 1);
        Put16(Needs + 2, 2);
        Put32(Needs + 4, libraryName);
        Put32(Needs + 8, 16);
        Put16(FirstEntry + 6, 2);
        Put32(FirstEntry + 8, oldName);
        Put32(FirstEntry + 12, 16);
        Put16(SecondEntry + 6, 3);
        Put32(SecondEntry + 8, newName);

        Put64(Relocations + 8, ((ulong)relocatedSymbol << 32) | 6);
    }

    public byte[] Image => (byte[])_image.Clone();

    private static uint Add(StringBuilder strings, string text)
    {
        uint at = (uint)strings.Length;
        strings.Append(text).Append('\0');
        return at;
    }

    private void ProgramHeader(int at, uint type, ulong offset, ulong address, ulong size)
    {
        Put32(at, type);
        Put64(at + 8, offset);
        Put64(at + 16, address);
        Put64(at + 32, size);
        Put64(at + 40, size);
    }

    private void Put16(int at, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(_image.AsSpan(at), value);
    private void Put32(int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(_image.AsSpan(at), value);
    private void Put64(int at, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(_image.AsSpan(at), value);
}
