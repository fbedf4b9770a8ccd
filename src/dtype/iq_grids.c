/* iq_grids.c - the code books of the IQ formats (iq_grids.h), as published
 *
 * SPDX-License-Identifier: MIT */
#include "iq_grids.h"

const char ch_grid_iq2_xxs[] =
    "((*(,(.(0(2(4(:(<(A(C(E(G(M(S(W(Y(`(b(h(t())+)1)5)D)c)o)(***<*b*)+++1+;+=+D+F+J+V+a+c+i+u+(,*,"
    ".,:,I,^,`,j,/-1-D-c-u-(.,...4.A.E.G.M.O.f.+/D/*040)1+111;1D1V1c1i1m1(2.2:2M2U2`2=3H3(4.4:4>4K4"
    "`475X5(666)7+717D7a7(8,8r8N9(:*:0:G:W:`:b:B;J;(<*<)=+=1=D=R=(>E>Y>i@.A:AlAGC)D+D1D7D;D=DDDJDRD"
    "VDaDcDiD(E:EWE`EdE)F1FJFRF]F(G.G:G`GpG3H=H(I)J+J1JDJHJ(KSKWKbKHLiL(M.M2M8M:M`MfM+NFNuNjOiPkP0Q"
    ")RPR(S2S8SYSDT.U+V1VDV]V(WQW7XVX(Y,Y1Z3ZcZF](`*`0`E`b`+a7aDa2b)c+c1c5cDcVc(dIdld/eDeVe*f+g2h+i"
    "1i=iDisi6j`jHk(l<lGlNmao:p*rMrdr/s(t7uMx+y";

const char ch_grid_iq2_xs[] =
    "((*(,(.(0(2(4(6(8(:(<(>(A(E(G(I(K(M(O(Q(S(W(Y(`(b(d(f(j(l(p(r())+)-)/)1)3)5)7)9);)=)D)F)H)J)N)"
    "P)V)])a)c)i)(***,*.*2*4*:*E*G*M*Q*`*h*)+++-+/+1+3+5+7+;+=+D+F+H+J+N+P+R+V+a+c+i+(,*,,,.,2,4,:,"
    "E,G,M,W,`,)-+-1-@-D-F-c-(.*.,...0.2.4.:.>.E.G.M.S.`.r.z.)/+/1/D/a/g/(0:0A0n0r0)1+1-1/111315171"
    ";1=1D1F1H1J1N1P1V1_1a1c1i1(2*2,2.22242:2E2G2M2`2l2n2)3+3-313D3V3(4*4,4.42444:4E4G4K4M4Y4`4)5+5"
    "15D5(646K6)7+71737D7P7e7(8,8[8N9y9(:*:,:.:0:2:4:::E:G:M:`:r:);+;1;D;J;Z;(<<<`<x<)=+=1=B=D=(>E>"
    "O>p>)@9@w@(A.A0A:AQAfAtA]BiB.C:CbCfChC)D+D-D/D1D3D5D7D;D=DDDFDHDJDLDNDPDVDZDaDcDiD(E*E,E.E2E4E"
    ":EEEGEME`EdEtE)F+F1F3FBFDF(G*G,G.G2G4G8G:GEGGGMG`GlG)H+H1H=HDHqH(I0IGIMI)J+J1JDJHJPJXJ(K2KGKMK"
    "^K+L(M*M,M.M2M4M:MAMEMGMMM`M)N+N1N5NDNFN(OGOzO)P+P1P;PDPVPaPsP(Q.Q`QfQ;R]RsR(S4SESMSpS9TDTFTdU"
    ")V+V1VDVPVXVeVyV(W=XLXkX(Y6Y1ZDZHZuZ)]_]>^-_P_X_(`*`,`.`2`4`:`C`E`G`M```b`x`z`)a+a-a1aDaNaTa(b"
    ":b`bbbrbxb)c+c1c3c5cDcVcgc(dGdvd7e_e(f.f>fUf`fbfxf-g<h`hfhnhxh)i+i1iDiRici(j<jYjRkgk(l,lGlMlSl"
    "BmimkmEnNowoKp5qVq(r*r.r0r:rCrrrNsTsws(t*t.tCt`trtDumuZwow0x:x<xAxrxxx+ycyeyAzCzjzzz";

const char ch_grid_iq2_s[] =
    "((*(,(.(0(2(4(6(8(:(<(>(A(E(G(I(K(M(O(Q(S(W(Y([(^(`(b(d(f(j(l(r(v(z())+)-)/)1)3)5)7);)=)D)F)H)"
    "J)N)P)R)T)V)Z)])a)c)i)k)m)s)u)(***,*.*2*4*:*C*E*G*I*K*M*Q*`*d*h*l*t*)+++-+/+1+3+5+7+;+=+@+B+D+"
    "F+H+J+L+N+P+R+T+V+X+Z+a+c+e+g+i+m+o+s+u+(,*,,,.,0,2,4,6,8,:,>,A,E,G,I,K,M,O,Q,S,W,Y,`,b,d,f,j,"
    "l,r,)-+---/-1-5-D-H-J-N-P-V-a-c-i-(.*.,...2.4.6.8.:.>.C.E.G.I.K.M.O.Q.S.W.Y.`.d.l.z.)/+/1/3/5/"
    "7/;/D/H/J/N/P/V/a/i/(02040<0A0C0M0p0)1+1-1/111315171;1=1@1D1F1H1J1N1P1R1T1V1X1Z1]1a1c1e1i1m1o1"
    "s1u1(2*2,2.20222426282:2<2>2A2E2G2I2K2M2O2Q2S2W2Y2`2b2d2f2j2l2)3+3/31353;3=3D3H3N3P3a3c3i3(4*4"
    ",4.424446484:4>4A4E4G4I4K4M4O4Q4S4W4Y4`4b4d4f4j4l4r4)5+5-5/515355575;5=5D5F5H5J5N5P5V5a5c5i5(6"
    ",6.62646:6E6G6M6`6z6)7+7-7/7175777;7D7F7H7J7N7P7V7a7c7(8*8,8.82848:8E8G8M8^8t8+919D9R9(:*:,:.:"
    "2:4:6:8:::>:C:E:G:M:O:Q:Y:`:h:l:z:);+;1;3;5;;;D;F;H;N;P;V;a;c;i;(<0<<<A<C<G<M<f<h<x<)=+=-=/=1="
    "5=7=;===D=F=H=J=N=P=V=a=c=i=(>,>.>2>4>:>E>G>M>[>`>)@+@1@D@T@(A,A2A4AEAGAMAhAzA)B+B1BmB0C<CYCfC"
    "hC)D+D-D/D1D3D5D7D9D;D=D@DDDFDHDJDLDNDPDRDTDVDXDZDaDcDiDmDoDsDuD(E*E,E.E2E4E6E8E:E<E>EEEGEIEKE"
    "MEOEQESEWEYE`EbEdEfEjElErE)F+F1F3F5F7F=FDFHFJFNFPFVFaFcF(G*G,G.G0G2G4G6G8G:G<G>GAGEGGGIGKGMGOG"
    "QGSGWGYG`GbGdGfGjGlGrG)H+H-H/H1H3H5H7H;H=HDHFHHHJHNHPHVH_HaHcHiH(I*I,I.I2I4I:IEIGIMI`IvI)J+J/J"
    "1J3J5J7J;J=JDJFJHJJJNJPJVJcJiJ(K*K,K.K2K4K:KEKGKMK`KnK)L+L1LDL(M*M,M.M2M4M6M8M:M<M>MAMEMGMIMKM"
    "MMOMQMSMWMYM`MbMdMfMjMlM)N+N-N/N1N3N5N7N;N=NDNFNHNJNNNPNVNaNcNiN(O,O.O2O4O:OEOGOMO^O`O)P+P-P/P"
    "1P3P5P7P;P=PDPFPHPJPNPPPVPaPcPiP(Q*Q,Q.Q2Q4Q:QEQGQMQ`Q)R+R1R@RDR(S*S,S.S2S4S:SESGSMSUS`S)T+T1T"
    "DT(U8UdUxU)V+V-V1V3V5V7V;V=VDVHVJVNVPVVVcViV(W*W,W.W2W4W:WEWGWMW`WpW+X1XDXRXsX(Y,Y.Y2Y4Y:YEYGY"
    "MY`Y)Z+Z1ZDZLZ]ZkZ([l[)]+]1]Z]o](^C^F_s_(`*`,`.`2`4`8`:`>`E`G`M`O`Q`S`W```d`j`l`)a+a/a1a3a5a7a"
    ";a=aDaFaHaJaNaPaaacaiaya(b,b0b2b4bEbGbMb)c+c-c/c1c3c5c7c;cDcFcHcJcNcPcVcacccic(d*d,d.d2d4d:dEd"
    "GdMd`dhd)e+e1eBeDe(f,f2f4fEfGfMftf)g+gDgZg<hShUhbhth)i+i/i1i3i5i7i=iDiFiHiJiNiPiViaiciii(j,j2j"
    "4jEjGjMjUj)k+k1kDkwk(l*l,l.l2l4l:lElGlMl`lnl)m+m1mDmomsm(nInYn)o+o1o@oDoyo(pKpOpiq(r,r0r4r<rCr"
    "ErGrMrtrzrDsZs*t0t<tAtCtbtfthtxt)u+u1uDuguuu(v8vNw0xAxtxPyey.z0z:z<zAzfzzz";

const char *const ch_grid_iq1[2] = {
    "((*(,(.(0(2(5(:(<(A(C(H(N(P(R(Z(`(b(f(h(m(r(t(x(z(+),)2)4)6)8)9)>)E)I)K)O)Q)U)W)Y)[)])d)j)l)n)"
    "v)(***.*0*5*:*<*A*C*H*N*T*Y*^*`*b*f*h*j*m*p*r*t*x*z*2+4+6+>+E+K+Q+U+Y+Z+j+p+v+),+,,,-,5,7,9,B,"
    "D,H,L,M,N,P,Q,R,T,V,X,Z,],_,a,j,m,o,q,s,u,v,w,y,4-8-E-G-M-O-Q-S-V-W-[-^-d-j-l-p-(.*...0.5.:.<."
    "A.C.H.N.R.Z.`.b.f.h.m.r.t.x.z.,/2/4/8/=/>/E/M/N/Q/W/Y/^/j/l/n/p/v/(0*0.00050:0<0A0C0H0N0T0W0Z0"
    "`0b0d0f0h0m0r0t0x0z011214181=1>1E1G1M1Q1S1W1Y1Z1^1j1l1n1s1v1)2+2-2/212325272;2=2B2H2L2M2N2O2P2"
    "Q2R2T2V2Z2c2k2m2s2u2234363>3D3I3K3O3Q3S3U3Y3[3d3j3l3n3v3)4-4/444547484;4@4E4H4I4J4L4N4P4Q4R4T4"
    "X4Z4]4c4g4i4l4m4o4p4q4s4u4v4y4*5,5052545556585:5<5>5A5C5E5G5H5I5N5O5P5Q5R5T5U5W5Y5Z5[5^5`5b5c5"
    "d5f5h5i5j5l5m5n5p5q5r5t5v5)6+6,6-656667696;6@6D6F6G6H6J6L6N6Q6R6S6T6W6Y6Z6]6^6_6e6h6k6m6u6y627"
    "67>7E7G7I7K7M7Q7S7U7V7W7Y7[7^7d7j7l7v718385898;8>8F8G8H8J8N8P8Q8R8T8U8V8Z8_8g8j8k8m8o8s8w8y8/9"
    "69=9@9G9I9K9M9O9Q9S9W9[9^9d9j9n9q9(:*:.:0:5:::<:>:A:C:H:N:T:W:Z:`:b:f:h:m:r:t:v:x:z:,;2;4;8;>;"
    "F;G;K;Q;S;U;W;Y;Z;[;d;i;n;p;v;)<.<0<2<5<:<<<A<C<H<N<R<T<Z<a<f<h<j<m<r<t<x<z<,=4=6=8=>=G=H=I=K="
    "O=Q=S=U=[=d=j=l=p=s=v=/>5>;>B>D>H>J>N>P>Q>T>X>Z>]>g>i>l>m>o>q>s>u>w>y>,@1@3@8@>@E@K@Q@V@W@^@c@"
    "e@i@q@(A*A.A0A5A:A<AAACAHANAPAZA`AbAfAhArAtAxAzA/B2B4B8B>BIBKBOBQBWBYB[B^BdBiBnBpBuBvB(C*C.C0C"
    ":C<CACCCHCNCRCTCZC`CbCfChCmCrCtCxCzC,D2D6D>DKDODQDSDUDWDYD[DlDpDsDwD(E)E+E-E/E3E5E6E7E9E;E@EBE"
    "HEJELENEPEQERETEUEZE]E_EaEcEeEiEkEmErEsEtE,F2F4F6F>FEFOFQFUFYF^FgFlFvF)G5G8GBGHGJGLGNGPGQGRGWG"
    "XGZG]G_GaGeGgGiGkGmGrGsGyG)H*H,H0H2H4H5H6H8H:H>HCHEHGHHHIHKHMHNHPHQHRHSHTHWHYHZH[H^HbHcHdHfHjH"
    "lHmHnHpHqHvHxHzH)I,I/I4I5I7I9I;I=IBIDIFIHIJIMINIOIQIRITIXIZI]IaIdIhIlImIsIuIwI,J2J5J9J>JFJKJMJ"
    "QJSJWJYJ[J^JdJjJlJnJpJvJ)K,K-K0K1K4K5K7K;K=K@KDKHKLKNKOKPKQKRKTKVKXKZK[K_KeKgKkKmKnKoKsKuKwKyK"
    "6LGLILKLQLSLULYL^LlLvL)M+M,M-M/M3M5M9M;M=MBMDMHMJMNMPMQMRMTMZM]MeMgMmMoMrMsMwMyM,N.N/N0N2N4N5N"
    "6N7N8N:N>N@NANCNENGNHNINKNMNNNONPNQNRNSNTNUNWNYNZN[N^NbNdNjNlNmNnNpNrNvNzN)O-O3O5O9O;O=OFOHOLO"
    "NOPOQOROTOXOZOdOiOkOmOpOqOuO+P,P2P4P5P6P7P8P;P>PAPCPEPGPHPIPKPLPMPNPPPQPRPSPTPUPWPXPYPZP[P^P`P"
    "fPhPjPlPmPnPpPsPuPvPzP)Q*Q+Q,Q-Q/Q1Q2Q3Q4Q5Q6Q8Q9Q;Q=Q>Q@QBQDQEQFQGQHQIQJQ",
    /* entries from 1024 on */
    "KQMQNQOQPQQQRQSQTQUQVQWQYQZQ[Q]Q^Q_QaQcQdQgQhQiQjQlQmQnQoQpQsQuQvQwQyQ(R)R*R+R-R.R/R2R4R5R7R8R"
    ":R;R<R=R>R@RARBRERHRIRJRKRLRMRNRORPRQRRRSRTRURWRYRZR^RbRdReRfRgRhRjRmRqRtRvRwRxRyR+S,S-S/S1S5S"
    "7S;SCSHSJSLSNSPSQSRSSSTSVSXSYSZSbSgSiSkSmSoSsSyS)T*T,T0T2T4T5T6T8T>TETGTHTITKTMTNTOTPTQTRTSTTT"
    "UTWTYTZT[T^TaTdTgTjTlTmTnToTpTvT+U.U5U9U:U>U@UBUHUJUKUNUQURUSUTUXUZU]U_UaUhUkUmUnUoUqUsU,V4V6V"
    "8V>VGVMVQVRVSVUVWVYV[V^VaVnVvV)W+W-W/W3W5W;W<W@WBWHWKWNWQWRWTWZW[W_WcWhWkWmWsWwWyW2X6X8XDXEXIX"
    "QXRXSXVXdXjXnXvX2Y3Y5Y6Y9Y;Y@YBYDYFYHYJYLYNYPYQYRYTYUYVYXYZYcYdYgYiYkYlYmYnYoYqYsYuYyY,Z.Z0Z2Z"
    "5Z6Z8ZGZHZIZKZMZNZPZQZRZTZWZYZZZ[Z^ZeZgZhZjZmZnZpZqZtZvZwZxZ*[/[5[:[@[A[B[D[H[J[L[N[P[Q[R[S[U["
    "V[Z[][`[b[d[h[l[n[o[p[r[u[w[z[6]8]>]E]O]Q]U]W]^]d]j]o]w])^+^1^5^;^=^@^B^D^E^H^I^J^N^P^Q^R^T^V^"
    "Z^_^b^c^h^m^s^u^v^y^2_6_7_E_G_K_M_Q_S_U_Y_Z_^_e_l_o_q_w_(`*`.`0`:`<`A`C`H`M`N`P`R`T`Z```b`f`h`"
    "m`r`t`x`z`,a2a4a6a8a>aEaGaKaMaOaQaRaSaTaYa[a^adagalanapava(b*b.b0b5b:b<bAbCbNbPbTbZb`bbbfbhbmb"
    "rbtbxbzb4c8cEcGcNcQcUcWcYc^clcpc)d/d3d5d9d@dBdDdEdHdJdNdPdQdRdTdUdZd[d]d_dadcdedgdidkdmdodwd2e"
    "6e8e>eEeGeKeLeMeQeTeUeWe[e_edejeqeue(f*f.f0f5f:f<fAfCfEfHfNfPfTfZf^f`fbfffhfmfrftfxfzf,g-g2g4g"
    "6g>gEgGgIgKgMgOgQgUgWgYgdgngpgvg(h*h.h0h5h:h<hAhChHhNhPhRh`hbhfhhhmhrhthxhzh,i2i6i7i8i>iEiIiKi"
    "QiSiUi^i_idijilinipivi)j+j-j/j1j5j7j9j;j=j@jBjDjHjMjNjPjQjRjTjXjZjcjejkjmjojsjujwjyj,k2k4k8k>k"
    "GkIkKkMkOkQkSk[k^kdklknkyk)l+l-l1l5l7l@lDlLlNlPlQlRlSlTlVlWlXlZlclelklllmlolslyl(m,m.m0m1m2m4m"
    "5m6m8m;m>mBmCmEmGmHmImKmMmNmOmPmQmRmSmTmUmWmYmZm[m^mamdmfmjmkmlmmmnmpmqmrmtmvmxmzm)n+n1n5n8n:n"
    "@nBnHnJnKnNnOnQnRnTnZn]nbncngnhnknlnmnunwnyn,o6o8o>oEoIoMoOoQoRoUoYoZodojonopovo+p-p/p1p3p5p7p"
    "9p:p;p=p@pDpFpHpJpLpNpPpQpRpTpXpZp[p_papcpipkpmpqpspwp,q5q>qGqIqKqMqQqSqWqdqjqlqmqnq(r*r.r0r5r"
    ":r<rArCrHrNrPrRrTr`rbrfrhrmrrrtrxrzr,s/s2s4s6s8s9sIsKsNsQsSsUsWsYsdsisksnsps*t.t0t1t8t<tAtCtHt"
    "NtRtTtZt`tbtfthtmtrtttxtzt8u>uEuGuMuPuQuSuUuWuZu[u]u^udu-v/v1v3v5v7v@vBvFvHvNvPvQvRvTvZv_vavcv"
    "dvevgvkvmvov,w2w6w9w;w>wGwIwLwOwQwRwSwVwXwewiwmwnwpwswuwww(x*x.x0x:x<xAxCxNxPxRxTx`xbxfxhxmxrx"
    "txxxzx,y4y8y;y>yEyMyQyUyWy[y^yiyny(z*z.z0z:z<zAzCzNzPzRz`zbzfzhzmzrztzxzzz",
};

const char ch_grid_iq3_xxs[] =
    "((*(,(1(3(7(8(:(B(K(e(g())+)0)2)9)=)A)C)J)U)b)(***,*1*8*:*B*D*H*R*X*g*)+/+0+2+=+b+3,H,M,X,e,g,"
    ")-/-C-S-F.^.0/4/6/L/Z/)0+0002090;0A0C0E0P0Q0(1*11181:1)2+2022292A2d2(3*383B3O3`3)4-4Q485<5O5c5"
    "-6:7I7(8*8183888:8>8B8K8)9+9-9092999A9]9a9b9(:*:1:7:8:::H:I:V:);0;4;b;f;F<T<+=@=J=f=)@+@6@N@)A"
    "0A2A9A;AQA_AdA(B*B8BBBMBOB)C+C0C=CSCdC1DDDAEPEdE(F.F:FVF4GGG]GDHYH,I7IFIHITIXIfJ8KHKIKYK`K/LNL"
    ",MRM^M=NLNbN-P0P2PAP2QJQbQ(R.R>RVR4SCSdS*TTT0U;U@UdU*VBVQW<XKX<YMYOY^Y9ZZZ7[^[A]G]M^-_S_D`+a9a"
    "+b-b/b0bCbSb>cIc2dNdSd(e5eDeYe9fJf(g*g<gAh";

const char ch_grid_iq3_s[] =
    "(()(*(-(/(0(1(2(4(6(8(9(=(D(I(K(N(P(R(T(Y([(c(f(i(()))*),)0)1)5)8);)@)B)F)M)Z)_)d)(*)*-*/*0*3*"
    "6*9*=*A*E*K*N*P*R*T*b*e*++1+5+8+:+B+D+G+M+Q+S+a+c+g+(,3,7,9,<,C,I,L,R,b,*-,-8-:->-D-J-N-P-`-e-"
    "..1.3.B.S.c.(/*/,/8/:/>/D/Q/U/(0)0*0,0001030507080:0B0E0G0U0W0Z0d0(1)1+1.1014191A1D1J1Q1S1b1h1"
    "(222527282<2C2I2L2V2Y2d2)3,3/3033393@3A3E3J3[3b3+4-42444B4D4K4O4Q4U4)5053595A5C5R586<6@6M6O6)7"
    "+7072797F7J7[7b7(8)8+8-8/80828486898;8@8A8C8J8L8N8Q8S8a8b8e8g8(9*9093979:9=9B9E9K9R9):,:/:9:;:"
    "A:H:J:T:X:c:f:(;*;-;1;:;<;B;D;K;Q;`;)</<8<;<C<F<J<d<g<,=1=:=H=I=T=b=(>*>/>9>V>Z>-@1@>@A@L@Q@*A"
    "1A3A5A7A:ABADAFAKAMAPARA]AcA)B+B-B4B9B;BIBYBdBhB(C2C8CCCECQC)D0D4D9D;D@DADJDLDPDVDeD+E1E6E:EBE"
    "SEYE^E)F0F2F=FCFMFWFeF6GJG)H+H8H:HFH(I,I2I8I<I@ICIJIQIbI*J/J1J3J:JAJFJLJRJVJ)K+K0K5K9KDKIKXK[K"
    "bK,L1L3L8L:LBLFL(M*M<MHMIMcM-N/N9N[N3OEOYO0P5PAPLPRP*Q0Q4Q:QIQMQPQSQ`QfQ)R+R-R2R9RCRdR(S1S;SAS"
    "GSTS*T/T0T@TMTRT_TeT)U,U8UCUOU2V>VRVTVKW*X,X:X1Y3Y5YBYDYYY(Z8Z@Z^Z2[E[K[V[[[b[(]4]9]I]=^L^[^(_"
    "+_E_Y_-`I`1a3a(b,b/b8b:bGbIbUb[b*c1c<cLcNc)d,d0d6d9dAdRd*eCeFeTe)f-f3f8fQf:gKg*hBh(i";
