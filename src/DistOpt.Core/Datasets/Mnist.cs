using System.Globalization;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Datasets;

/// <summary>
/// MNIST (LeCun, Cortes, Burges), or any data set in the same four IDX files: images as unsigned bytes, labels 0 to 9. The pixels
/// stay bytes.
/// </summary>
internal static class Mnist
{
    public const string Name = "mnist";
    private const int ClassCount = 10;

    /// <exception cref="SpecException">A file is missing or not what it should be; all bad files at once.</exception>
    public static ISupervisedSource Open(MnistOptions options, DataEnvironment environment)
    {
        string folder = options.Path is { } path ? environment.Resolve(path) : Path.Combine(environment.Root, Name);
        string remedy = options.Path is null
            ? "get it with 'distopt data get mnist', or set data.path to a folder with the IDX files"
            : "put the file there, or leave data.path out and run 'distopt data get mnist'";
        if (!Directory.Exists(folder)) throw new SpecException("data.path", $"the folder {folder} does not exist: {remedy}");

        var violations = new List<SpecViolation>();
        using var trainImages = OpenFile("train-images-idx3-ubyte", 3);
        using var trainLabels = OpenFile("train-labels-idx1-ubyte", 1);
        using var testImages = OpenFile("t10k-images-idx3-ubyte", 3);
        using var testLabels = OpenFile("t10k-labels-idx1-ubyte", 1);
        if (trainImages is null || trainLabels is null || testImages is null || testLabels is null) throw new SpecException(violations);

        CheckPair(trainImages, trainLabels);
        CheckPair(testImages, testLabels);
        int height = trainImages.Sizes[1], width = trainImages.Sizes[2];
        if (testImages.Sizes[1] != height || testImages.Sizes[2] != width)
            throw testImages.Bad($"has images of {testImages.Sizes[1]}x{testImages.Sizes[2]}, but those for training have "
                + $"{height}x{width}");
        long bytes = trainImages.Elements + testImages.Elements;
        if (bytes > Array.MaxLength)
            throw trainImages.Bad($"and the test images have {bytes} pixels, but at most {Array.MaxLength} can be held");

        var pixels = new byte[bytes];
        trainImages.ReadElements(pixels.AsSpan(0, (int)trainImages.Elements));
        testImages.ReadElements(pixels.AsSpan((int)trainImages.Elements));
        var labels = new int[trainLabels.Sizes[0] + testLabels.Sizes[0]];
        ReadLabels(trainLabels, labels.AsSpan(0, trainLabels.Sizes[0]));
        ReadLabels(testLabels, labels.AsSpan(trainLabels.Sizes[0]));
        return new ByteSource(new DataInfo
        {
            Name = Name,
            Task = TaskKind.Classification,
            InputShape = [1, height, width],
            PixelMax = byte.MaxValue,
            Classes = [.. Enumerable.Range(0, ClassCount).Select(i => i.ToString(CultureInfo.InvariantCulture))],
            Normalization = options.Normalize ? NormalizationKind.PerChannel : NormalizationKind.None,
        }, pixels, labels, testLabels.Sizes[0]);

        IdxFile? OpenFile(string name, int rank)
        {
            try
            {
                return IdxFile.Open(Path.Combine(folder, name), rank, remedy);
            }
            catch (SpecException error)
            {
                // reported with the other files' troubles
                violations.AddRange(error.Violations);
                return null;
            }
        }
    }

    private static void CheckPair(IdxFile images, IdxFile labels)
    {
        if (images.Sizes[0] != labels.Sizes[0])
            throw labels.Bad($"has {labels.Sizes[0]} labels, but {Path.GetFileName(images.Path)} has {images.Sizes[0]} images");
    }

    private static void ReadLabels(IdxFile file, Span<int> labels)
    {
        var bytes = new byte[labels.Length];
        file.ReadElements(bytes);
        for (int i = 0; i < bytes.Length; i++)
        {
            if (bytes[i] >= ClassCount) throw file.Bad($"has label {bytes[i]} at position {i}, but labels are from 0 to {ClassCount - 1}");
            labels[i] = bytes[i];
        }
    }
}
