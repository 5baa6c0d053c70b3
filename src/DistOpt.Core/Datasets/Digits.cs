using System.Globalization;
using System.IO.Compression;
using System.Reflection;

namespace DistOpt.Core.Datasets;

/// <summary>
/// The test part of UCI's "Optical recognition of handwritten digits" (Alpaydin, Kaynak; CC BY 4.0): 1,797 images of 8x8 pixels with 17
/// grey levels. Built into the assembly, so it is there on every node.
/// </summary>
internal static class Digits
{
    private const int Rows = 1797;
    private const int Pixels = 64;
    private const string Resource = "DistOpt.Core.Datasets.Resources.digits.csv.gz";

    // ~115 kB for the life of the process; opened by every run and every test
    private static readonly Lazy<(byte[] Inputs, int[] Labels)> Data = new(Read);

    public static ISupervisedSource Open(DigitsOptions options)
    {
        var (inputs, labels) = Data.Value;
        return new ByteSource(new DataInfo
        {
            Name = "digits",
            Task = TaskKind.Classification,
            InputShape = [1, 8, 8],
            PixelMax = 16,
            Classes = [.. Enumerable.Range(0, 10).Select(i => i.ToString(CultureInfo.InvariantCulture))],
            Normalization = options.Normalize ? NormalizationKind.PerChannel : NormalizationKind.None,
        }, inputs, labels, testCount: 0);
    }

    private static (byte[] Inputs, int[] Labels) Read()
    {
        using var resource = Assembly.GetExecutingAssembly().GetManifestResourceStream(Resource)
            ?? throw new InvalidOperationException($"resource {Resource} is not in the assembly: the build left it out");
        using var reader = new StreamReader(new GZipStream(resource, CompressionMode.Decompress));
        var inputs = new byte[Rows * Pixels];
        var labels = new int[Rows];
        for (int row = 0; row < Rows; row++)
        {
            string line = reader.ReadLine() ?? throw new InvalidDataException($"resource {Resource} ends after {row} rows of {Rows}");
            int column = 0;
            foreach (var cell in line.AsSpan().Split(','))
            {
                byte value = byte.Parse(line.AsSpan(cell), NumberStyles.None, CultureInfo.InvariantCulture);
                if (column < Pixels) inputs[row * Pixels + column] = value;
                else labels[row] = value;
                column++;
            }
            if (column != Pixels + 1) throw new InvalidDataException($"resource {Resource} has {column} columns in row {row}");
        }
        return (inputs, labels);
    }
}
