using System.Collections.Immutable;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Datasets;
using DistOpt.Torch;
using static TorchSharp.torch;

namespace DistOpt.Examples;

/// <summary>Fields of <c>data:</c> with <c>name: verses</c>.</summary>
public sealed record VersesOptions
{
    [Description("Longer verses are cut to so many characters")]
    [Range(1, 1000)]
    public int MaxLength { get; init; } = 120;
}

/// <summary>N verses, padded to the longest of them (T characters).</summary>
/// <param name="Text">[N, T] int64: the characters seen, <see cref="Verses.Stop"/> first; <see cref="Verses.Pad"/> behind the end.</param>
/// <param name="Next">[N, T] int64: the character after each, <see cref="Verses.Stop"/> last; <see cref="Verses.Pad"/> behind it.</param>
/// <param name="Book">[N, books] float32: 1 for the book that the verse is from, else 0.</param>
/// <param name="Characters">Characters to be predicted, without padding.</param>
public sealed record VerseBatch(Tensor Text, Tensor Next, Tensor Book, long Characters);

/// <summary>Verses of three books, to be continued character by character: rows of different length, and a second input for each.</summary>
public sealed class Verses : Dataset<VerseBatch>
{
    /// <summary>Fills rows up; never predicted.</summary>
    public const int Pad = 0;

    /// <summary>Stands before and after a verse.</summary>
    public const int Stop = 1;

    /// <summary>Character c is token <c>Alphabet.IndexOf(c)</c>.</summary>
    public const string Alphabet = "\0\n !'(),-.:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    private readonly byte[][] _verses;
    private readonly int[] _books;

    public Verses(VersesOptions options)
    {
        using var text = new StreamReader(typeof(Verses).Assembly.GetManifestResourceStream("verses.tsv")!);
        var lines = text.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => line[0] != '#')
            .Select(line => line.TrimEnd('\r').Split('\t')).ToList();
        _verses = [.. lines.Select(line => Encode(line[1], options.MaxLength))];
        _books = [.. lines.Select(line => Books.IndexOf(line[0]))];
    }

    public static ImmutableArray<string> Books { get; } = ["genesis", "psalms", "matthew"];

    public override long Count => _verses.Length;

    /// <summary>The book of each verse: every split gets its share of it.</summary>
    public override ReadOnlySpan<int> Labels => _books;

    public override VerseBatch Load(ReadOnlySpan<long> indices, DataContext context)
    {
        int width = 0;
        foreach (long index in indices) width = Math.Max(width, _verses[index].Length + 1);
        var (text, next) = (new long[indices.Length, width], new long[indices.Length, width]); // zeros: Pad
        var book = new float[indices.Length, Books.Length];
        long characters = 0;
        for (int row = 0; row < indices.Length; row++)
        {
            byte[] verse = _verses[indices[row]];
            text[row, 0] = next[row, verse.Length] = Stop;
            for (int i = 0; i < verse.Length; i++) text[row, i + 1] = next[row, i] = verse[i];
            book[row, _books[indices[row]]] = 1;
            characters += verse.Length + 1;
        }
        return new VerseBatch(tensor(text), tensor(next), tensor(book), characters);
    }

    private static byte[] Encode(string verse, int length) => [.. verse.Take(length).Select(Token)];

    private static byte Token(char character) => Alphabet.IndexOf(character) is > Stop and var token ? (byte)token
        : throw new FormatException($"the text has '{character}', which the alphabet lacks");
}
