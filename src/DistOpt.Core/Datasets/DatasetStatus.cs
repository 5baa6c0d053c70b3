using DistOpt.Core.Specs;

namespace DistOpt.Core.Datasets;

public enum DatasetPresence
{
    /// <summary>Part of the program.</summary>
    BuiltIn,

    /// <summary>All files are in the data root.</summary>
    Present,

    /// <summary>Can be had with <c>distopt data get</c>.</summary>
    Absent,

    /// <summary>Reads the user's own files.</summary>
    OwnFiles,
}

/// <summary>A line of <c>distopt data list</c>.</summary>
/// <param name="Folder">Where it is or would be; null where it has no folder.</param>
/// <param name="Bytes">Size on disk where present, size to come where absent; null where unknown.</param>
public sealed record DatasetStatus(string Name, string Summary, DatasetPresence Presence, string? Folder, long? Bytes, string? Licence)
{
    /// <summary>The data sets of a catalogue as they stand on this machine. Looks at names and sizes of files, not into them.</summary>
    public static IReadOnlyList<DatasetStatus> List(ICatalog catalog, DataEnvironment environment) =>
        [.. catalog.Entries.Select(entry => Of(entry, environment))];

    private static DatasetStatus Of(ICatalogEntry entry, DataEnvironment environment)
    {
        if (DownloadableDataset.All.FirstOrDefault(d => d.Name == entry.Name) is not { } dataset)
        {
            bool builtIn = entry.OptionsType == typeof(DigitsOptions);
            return new DatasetStatus(entry.Name, entry.Summary, builtIn ? DatasetPresence.BuiltIn : DatasetPresence.OwnFiles, null, null,
                builtIn ? "CC BY 4.0" : null);
        }
        string folder = Path.Combine(environment.Root, dataset.Name);
        var sizes = dataset.Files.Select(f => SizeOf(Path.Combine(folder, f.Name), f.Bytes)).ToList();
        bool present = sizes.All(s => s is not null);
        return new DatasetStatus(entry.Name, entry.Summary, present ? DatasetPresence.Present : DatasetPresence.Absent, folder,
            present ? sizes.Sum() : dataset.Bytes, dataset.Licence);
    }

    private static long? SizeOf(string path, long expected)
    {
        var plain = new FileInfo(path);
        if (plain.Exists) return plain.Length == expected ? plain.Length : null;
        var packed = new FileInfo(path + ".gz");
        return packed.Exists ? packed.Length : null;
    }
}
