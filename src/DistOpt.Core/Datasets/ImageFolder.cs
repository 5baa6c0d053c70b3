using System.Globalization;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Datasets;

/// <summary>
/// PNG and JPEG files in a folder for each class. Every file is decoded when the data set is opened, so a corrupt one is named before
/// anything runs; the pixels stay bytes in memory. Classes and files are in ordinal order of their names.
/// </summary>
internal static class ImageFolder
{
    /// <summary>So many bad files are named, at most.</summary>
    public const int ViolationsMax = 10;

    private const int SideMax = 4096;

    /// <exception cref="SpecException">Options, folders or files are wrong.</exception>
    public static ISupervisedSource Open(ImagesOptions options, DataEnvironment environment)
    {
        var decoder = CheckOptions(options, environment);
        int height = options.Size[0], width = options.Size[1];
        string root = environment.Resolve(options.Path!);
        string[] classes = ClassFolders(root, "data.path");
        if (classes.Length < 2)
        {
            throw new SpecException("data.path", $"{root} has {classes.Length} folders, but a classification needs at least 2: one for "
                + "each class, "
                + "with its images");
        }
        var files = Files(root, classes, "data.path");
        int trainCount = files.Count;
        if (options.TestPath is { } testPath)
        {
            string testRoot = environment.Resolve(testPath);
            string[] testClasses = ClassFolders(testRoot, "data.test_path");
            if (testClasses.Except(classes, StringComparer.Ordinal).FirstOrDefault() is { } unknown)
                throw new SpecException("data.test_path", $"{testRoot} has a folder '{unknown}', but data.path has no such class");
            files.AddRange(Files(testRoot, classes, "data.test_path", mayLack: true));
            if (files.Count == trainCount)
                throw new SpecException("data.test_path", $"{testRoot} has no PNG or JPEG files in class folders");
        }
        int length = options.Channels * height * width;
        CheckMemory(options, files.Count, length);
        byte[] pixels = Decode(files, decoder, height, width, options.Channels);
        return new ByteSource(new DataInfo
        {
            Name = "images",
            Task = TaskKind.Classification,
            InputShape = [options.Channels, height, width],
            PixelMax = byte.MaxValue,
            Classes = [.. classes],
            Normalization = options.Normalize ? NormalizationKind.PerChannel : NormalizationKind.None,
        }, pixels, [.. files.Select(f => f.Class)], files.Count - trainCount);
    }

    private static IImageDecoder CheckOptions(ImagesOptions options, DataEnvironment environment)
    {
        var violations = new List<SpecViolation>();
        if (string.IsNullOrWhiteSpace(options.Path))
            violations.Add(new SpecViolation("data.path", "is missing: name the folder that holds a folder for each class"));
        if (options.Size.IsDefault || options.Size.Length != 2 || options.Size.Any(s => s is < 1 or > SideMax))
        {
            violations.Add(new SpecViolation("data.size", $"is [{(options.Size.IsDefault ? "" : string.Join(", ", options.Size))}], but "
                + "must be [height, width], "
                + $"each from 1 to {SideMax}"));
        }
        if (options.Channels is not (1 or 3))
            violations.Add(new SpecViolation("data.channels", $"is {options.Channels}, but must be 1 (grey) or 3 (red, green, blue)"));
        if (environment.ImageDecoder is null)
            violations.Add(new SpecViolation("data.name", "images need an image decoder, and this program has none: set "
                + "DataEnvironment.ImageDecoder"));
        return violations.Count == 0 ? environment.ImageDecoder! : throw new SpecException(violations);
    }

    private static string[] ClassFolders(string root, string option)
    {
        if (!Directory.Exists(root))
            throw new SpecException(option, $"the folder {root} does not exist: name a folder that holds a folder for each class");
        // hidden ones (.git, .ipynb_checkpoints) are no classes
        string[] names = [.. Directory.EnumerateDirectories(root).Select(d => Path.GetFileName(d)).Where(n => !n.StartsWith('.'))];
        Array.Sort(names, StringComparer.Ordinal);
        return names;
    }

    private static List<(string Path, int Class)> Files(string root, string[] classes, string option, bool mayLack = false)
    {
        var files = new List<(string, int)>();
        var violations = new List<SpecViolation>();
        for (int c = 0; c < classes.Length; c++)
        {
            string folder = Path.Combine(root, classes[c]);
            if (mayLack && !Directory.Exists(folder)) continue;
            string[] paths = [.. Directory.EnumerateFiles(folder).Where(IsImage)];
            if (paths.Length == 0 && !mayLack)
                violations.Add(new SpecViolation(option, $"the class folder {folder} has no .png, .jpg or .jpeg file: add some, or "
                    + "remove it"));
            Array.Sort(paths, StringComparer.Ordinal);
            foreach (string path in paths) files.Add((path, c));
        }
        return violations.Count == 0 ? files : throw new SpecException(violations);
    }

    private static bool IsImage(string path) => !Path.GetFileName(path).StartsWith('.')
        && Path.GetExtension(path).ToLowerInvariant() is ".png" or ".jpg" or ".jpeg";

    private static void CheckMemory(ImagesOptions options, int count, int length)
    {
        long bytes = (long)count * length, limit = Math.Min((long)options.MaxMemoryMib << 20, Array.MaxLength);
        if (bytes <= limit) return;
        throw new SpecException("data.max_memory_mib", string.Create(CultureInfo.InvariantCulture,
            $"is {options.MaxMemoryMib}, but {count:N0} images of {options.Channels}x{options.Size[0]}x{options.Size[1]} take "
                + $"{bytes / 1048576.0:N0} MiB ")
            + $"(and at most {Array.MaxLength >> 20} can be held): raise it, or make data.size smaller");
    }

    private static byte[] Decode(List<(string Path, int Class)> files, IImageDecoder decoder, int height, int width, int channels)
    {
        int length = channels * height * width;
        var pixels = new byte[files.Count * length];
        var complaints = new string?[files.Count];
        // every image has its own slice, so the result does not depend on who decodes what
        Parallel.For(0, files.Count, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, i =>
        {
            try
            {
                decoder.Decode(File.ReadAllBytes(files[i].Path), height, width, channels, pixels.AsSpan(i * length, length));
            }
            catch (InvalidDataException error)
            {
                // reported below, all bad files at once and in order
                complaints[i] = $"is no readable image ({error.Message.TrimEnd('.')}): replace or remove it";
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                complaints[i] = $"cannot be read ({error.Message.TrimEnd('.')})";
            }
        });
        var violations = new List<SpecViolation>();
        int bad = complaints.Count(c => c is not null);
        for (int i = 0; i < files.Count && violations.Count < ViolationsMax; i++)
            if (complaints[i] is { } complaint) violations.Add(new SpecViolation(files[i].Path, complaint));
        if (bad > ViolationsMax) violations.Add(new SpecViolation("", $"{bad - ViolationsMax} more images cannot be read"));
        return bad == 0 ? pixels : throw new SpecException(violations);
    }
}
