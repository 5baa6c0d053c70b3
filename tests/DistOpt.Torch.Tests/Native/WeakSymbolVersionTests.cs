using System.Reflection;
using DistOpt.Build;

namespace DistOpt.Torch.Tests.Native;

public sealed class WeakSymbolVersionTests : IDisposable
{
    private const string Library = "libstdc++.so.6";
    private const string Version = "GLIBCXX_3.4.32";
    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-elf-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Only_the_flags_of_the_named_version_change()
    {
        byte[] image = new SyntheticElf(Library, "GLIBCXX_3.4", Version).Image;
        byte[]? changed = WeakSymbolVersion.Apply(image, Library, Version, out _, out bool used);

        Assert.NotNull(changed);
        Assert.False(used);
        Assert.Equal([SyntheticElf.SecondEntry + 4], Differences(image, changed));
        Assert.Equal(2, changed[SyntheticElf.SecondEntry + 4]);
        Assert.Null(WeakSymbolVersion.Apply(changed, Library, Version, out string finding, out _));
        Assert.Contains("weak already", finding);
    }

    [Fact]
    public void A_version_that_a_relocation_needs_is_left_alone_and_named()
    {
        byte[] image = new SyntheticElf(Library, "GLIBCXX_3.4", Version, relocatedSymbol: 2).Image;
        Assert.Null(WeakSymbolVersion.Apply(image, Library, Version, out string finding, out bool used));
        Assert.True(used);
        Assert.Contains("second_symbol", finding);
    }

    [Theory]
    [InlineData("libm.so.6", Version)]
    [InlineData(Library, "GLIBCXX_3.4.31")]
    public void A_library_that_does_not_demand_the_version_is_left_alone(string library, string version)
    {
        byte[] image = new SyntheticElf(library, "GLIBCXX_3.4", version).Image;
        Assert.Null(WeakSymbolVersion.Apply(image, Library, Version, out string finding, out bool used));
        Assert.False(used);
        Assert.Contains("does not demand", finding);
    }

    [Theory]
    [InlineData(4, 1)]      // 32-bit
    [InlineData(5, 2)]      // big-endian
    [InlineData(18, 183)]   // AArch64
    public void Another_architecture_is_left_alone(int offset, byte value)
    {
        byte[] image = new SyntheticElf(Library, "GLIBCXX_3.4", Version).Image;
        image[offset] = value;
        Assert.Null(WeakSymbolVersion.Apply(image, Library, Version, out string finding, out _));
        Assert.Contains("left as it is", finding);
    }

    [Theory]
    [InlineData(SyntheticElf.Needs + 8)]            // offset of the first version entry
    [InlineData(SyntheticElf.FirstEntry + 8)]       // its name
    [InlineData(SyntheticElf.FirstEntry + 12)]      // its successor
    [InlineData(SyntheticElf.Dynamic + 8)]          // string table
    [InlineData(SyntheticElf.Dynamic + 7 * 16 + 8)] // size of the relocations
    [InlineData(SyntheticElf.Relocations + 12)]     // a relocation's symbol
    [InlineData(32)]                                // program headers
    public void Damage_is_an_error_and_never_a_read_outside_the_file(int offset)
    {
        byte[] image = new SyntheticElf(Library, "GLIBCXX_3.4", Version).Image;
        image.AsSpan(offset, 4).Fill(0xee);
        Assert.Throws<InvalidDataException>(() => WeakSymbolVersion.Apply(image, Library, Version, out _, out _));
    }

    [Fact]
    public void No_truncation_passes_for_a_whole_file_or_breaks_anything_but_the_step()
    {
        byte[] image = new SyntheticElf(Library, "GLIBCXX_3.4", Version).Image;
        for (int length = 0; length <= SyntheticElf.Relocations; length++)
        {
            byte[] part = image[..length];
            Assert.Throws<InvalidDataException>(() => WeakSymbolVersion.Apply(part, Library, Version, out _, out _));
        }
    }

    [Fact]
    public void A_damaged_source_leaves_no_destination_and_no_temporary_file()
    {
        string source = Path.Combine(_folder, "in.so"), destination = Path.Combine(_folder, "out", "lib.so");
        File.WriteAllBytes(source, new SyntheticElf(Library, "GLIBCXX_3.4", Version).Image[..SyntheticElf.Needs]);
        Assert.Throws<InvalidDataException>(() => WeakSymbolVersion.Write(source, destination, Library, Version, out _, out _));
        Assert.Equal([source], Directory.GetFileSystemEntries(_folder));
    }

    [Fact]
    public void A_destination_that_is_a_hard_link_is_replaced_and_not_written_through()
    {
        byte[] image = new SyntheticElf(Library, "GLIBCXX_3.4", Version).Image;
        string source = Path.Combine(_folder, "cache.so"), destination = Path.Combine(_folder, "output.so");
        File.WriteAllBytes(source, image);
        if (OperatingSystem.IsLinux()) Link(source, destination);
        else File.Copy(source, destination);

        WeakSymbolVersion.Write(source, destination, Library, Version, out _, out _);

        Assert.Equal(image, File.ReadAllBytes(source));
        Assert.Equal([SyntheticElf.SecondEntry + 4], Differences(image, File.ReadAllBytes(destination)));
        Assert.Equal(2, Directory.GetFiles(_folder).Length);
    }

    [Fact]
    public void The_library_of_the_TorchSharp_package_in_use_demands_the_version_without_needing_it()
    {
        byte[] image = File.ReadAllBytes(PackagedLibrary);
        byte[]? changed = WeakSymbolVersion.Apply(image, Library, Version, out string finding, out bool used);
        Assert.False(used, finding);
        Assert.NotNull(changed);
        Assert.Single(Differences(image, changed));
    }

    [Fact]
    public void The_build_output_holds_the_changed_copy()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the file belongs to Linux");
        string native = Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native");
        byte[] changed = WeakSymbolVersion.Apply(File.ReadAllBytes(PackagedLibrary), Library, Version, out _, out _)!;
        Assert.Equal(changed, File.ReadAllBytes(Path.Combine(native, "libLibTorchSharp.so")));
    }

    private static string PackagedLibrary
    {
        get
        {
            string package = typeof(WeakSymbolVersionTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
                .Single(a => a.Key == "TorchSharpPackage").Value!;
            return Path.Combine(package, "runtimes", "linux-x64", "native", "libLibTorchSharp.so");
        }
    }

    private static int[] Differences(byte[] a, byte[] b)
    {
        Assert.Equal(a.Length, b.Length);
        return [.. Enumerable.Range(0, a.Length).Where(i => a[i] != b[i])];
    }

    private static void Link(string target, string link)
    {
        using var ln = System.Diagnostics.Process.Start("ln", [target, link]);
        ln.WaitForExit();
        Assert.Equal(0, ln.ExitCode);
    }
}
